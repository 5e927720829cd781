#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""R31: a string literal silently became a path: content that somebody had in a text was not
scanned, a file of that name was.

Every kind of input has a constructor of its own, which no text fits by accident; and a name is only
a name, wherever it is given."""
import os
import re
import subprocess
import unittest

from regressions import CLEAN, INFECTED, Case, mock
from support import surface
from support.harness import ROOT

MAIN = """#include <scanbridge/scanbridge.h>
int main(void) {{ sb_report *report = 0; {} return 0; }}
"""


class Library(Case):
    def compiles(self, statement, compiler="gcc"):
        language = {"gcc": "c", "g++": "c++"}[compiler]
        done = subprocess.run([compiler, "-x", language, "-Wall", "-Werror", "-fsyntax-only", "-I",
                               ROOT / "include", "-"], input=MAIN.format(statement),
                              capture_output=True, text=True)
        return done.returncode == 0

    def test_constructors_are_explicit(self):
        """R31: a scan takes an input and nothing else; an input is made of one thing by name."""
        scan = "sb_scan(&report, 0, {}, 0, 0);"
        for compiler in ("gcc", "g++"):
            with self.subTest(compiler):
                self.assertTrue(self.compiles(scan.format('sb_input_path("a")'), compiler))
                self.assertTrue(self.compiles(scan.format('sb_input_memory("a", 1)'), compiler))
                for wrong in ('"a"', "(char *)0", "3"):
                    self.assertFalse(self.compiles(scan.format(wrong), compiler), wrong)
                self.assertFalse(self.compiles('sb_input_memory("a");', compiler))
                self.assertFalse(self.compiles('sb_input_fd("a");', compiler))
        makers = {name for name, text in surface.declarations().items()
                  if re.match(r"\s*sb_input \*", text)}
        self.assertEqual(makers, {"sb_input_path", "sb_input_at", "sb_input_fd", "sb_input_memory",
                                  "sb_input_stream"})

    def test_memory_is_content(self):
        """R31: a text that is the name of an infected file is no infected file."""
        self.write("list", b"")
        path = self.write("bad", INFECTED)
        digest = self.run_program("hash", path).text.split()[0]
        self.configure(mock(responses=[f"{digest}=infected:A"]))
        named = self.write("named", os.fsencode(path))
        program = self.driver()
        self.assert_outcome(program.scan(f"memory {named}"), "clean")
        self.assert_outcome(program.scan(f"stream {named} 5"), "clean")
        self.assert_outcome(program.scan(f"path {path}"), "infected")


class CommandLine(Case):
    def test_a_dash(self):
        """R31: `-` is standard input; a file of that name has a path."""
        digest = self.run_program("hash", self.write("-", INFECTED)).text.split()[0]
        self.configure(mock(responses=[f"{digest}=infected:A"]))
        self.assert_outcome(self.scan("-", stdin=CLEAN, status=0).report, "clean")
        report = self.scan("./-", stdin=CLEAN, status=1).report
        self.assert_outcome(report, "infected")
        self.assertEqual(report["file"]["name"], "-")

    def test_a_name_opens_nothing(self):
        """R31: what standard input is called is never opened."""
        self.configure()
        path = self.write("bad", INFECTED)
        report = self.scan("--name", str(path), "-", stdin=CLEAN, status=0).report
        self.assertEqual((report["file"]["size"], report["file"].get("path")), (len(CLEAN), None))


if __name__ == "__main__":
    unittest.main()
