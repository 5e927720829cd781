# SPDX-License-Identifier: MIT
"""Every public header compiles alone, first and twice, as C11 and as C++17, in silence; what its
signatures are made of is public, too."""
import pathlib
import re
import shutil
import subprocess
import unittest

from support import surface
from support.harness import ROOT

INCLUDE = ROOT / "include"
STRICT = ["-Wall", "-Wextra", "-Wpedantic", "-Wconversion", "-Wshadow", "-Wundef", "-Werror",
          "-fsyntax-only", "-I", str(INCLUDE)]
LANGUAGES = {
    "C11": (["-x", "c", "-std=c11", "-Wstrict-prototypes"], ["gcc", "clang-14"]),
    "C++17": (["-x", "c++", "-std=c++17", "-Wold-style-cast"], ["g++", "clang++-14"]),
}
HEADERS = sorted(path.relative_to(INCLUDE) for path in INCLUDE.rglob("*.h"))
EVERYTHING = "".join(f"#include <{header}>\n" for header in HEADERS)


class Headers(unittest.TestCase):
    def test_there_are_headers(self):
        self.assertIn(pathlib.Path("scanbridge/scanbridge.h"), HEADERS)
        self.assertIn(pathlib.Path("scanbridge/sys/engine.h"), HEADERS)

    def compile(self, language, source, **what):
        flags, compilers = LANGUAGES[language]
        for compiler in compilers:
            if not shutil.which(compiler):
                self.skipTest(f"{compiler} is not installed")
            with self.subTest(compiler=compiler, **what):
                done = subprocess.run([compiler, *flags, *STRICT, "-"], input=source,
                                      capture_output=True, text=True)
                self.assertEqual((done.returncode, done.stderr), (0, ""))

    def check(self, language):
        for header in HEADERS:
            self.compile(language, f"#include <{header}>\n#include <{header}>\nint unused;\n",
                         header=str(header))

    def test_c11(self):
        self.check("C11")

    def test_cpp17(self):
        self.check("C++17")

    def test_types_of_signatures_are_public(self):
        """R26: no type that only our own sources know."""
        types = sorted(surface.signature_types())
        self.assertGreater(len(types), 30)
        names = "".join(f"extern {name} *of_{name};\n" for name in types)
        for language in LANGUAGES:
            self.compile(language, EVERYTHING + names, to=language)

    def test_headers_include_public_headers_only(self):
        """R26: what is installed is enough."""
        for header in HEADERS:
            for name in re.findall(r'^# *include +(\S+)', (INCLUDE / header).read_text(), re.M):
                with self.subTest(header=str(header), includes=name):
                    self.assertRegex(name, r"^<.*>$")
                    if name.startswith("<scanbridge/"):
                        self.assertIn(pathlib.Path(name[1:-1]), HEADERS)
                    else:
                        self.assertTrue(pathlib.Path("/usr/include", name[1:-1]).exists() or
                                        name in ("<stdbool.h>", "<stddef.h>", "<stdint.h>"))


if __name__ == "__main__":
    unittest.main()
