# SPDX-License-Identifier: MIT
"""What a person at a terminal sees of a scan: colours when they are wanted, a progress line that
fits, and an end that is clean however it comes."""
import re
import unittest

from support import harness
from support.harness import SCANBRIDGE, mock
from support.terminal import Terminal

COLOUR = re.compile(r"\x1b\[[\d;]*m")
DRAWN = re.compile(r"\r([^\r\n]*?)\x1b\[K")


class Screen(harness.Case):
    def setUp(self):
        super().setUp()
        self.bad = self.write("a rather long name of a folder/and one of a file.doc", b"bad")
        for number in range(4):
            self.write(f"in/{number}", b"%d" % number)

    def digest(self, path):
        return self.run_program("hash", str(path)).text.split()[0]

    def start_scan(self, *words, **options):
        terminal = Terminal([SCANBRIDGE, "--config", self.config, "scan", *words], self.folder,
                            **{"NO_COLOR": None} | options)
        self.addCleanup(terminal.close)
        return terminal

    def infect(self, **settings):
        self.configure(mock(responses=[f"{self.digest(self.bad)}=infected:X"], **settings),
                       cache={"enabled": False})  # scanned again and again, and slowly

    def test_colours(self):
        self.infect()
        for why, words, environment, wanted in (
                ("a terminal", [], {}, True), ("NO_COLOR", [], {"NO_COLOR": "1"}, False),
                ("an empty NO_COLOR", [], {"NO_COLOR": ""}, True),
                ("--no-color", ["--no-color"], {}, False),
                ("a dumb terminal", [], {"TERM": "dumb"}, False),
                ("none that anybody knows", [], {"TERM": None}, False)):
            with self.subTest(why):
                terminal = self.start_scan(*words, ".", **environment)
                shown = terminal.finish()
                self.assertEqual(terminal.status, 1)
                self.assertEqual(bool(COLOUR.search(shown)), wanted, shown)
                self.assertIn("file.doc: infected", COLOUR.sub("", shown).replace("\r\n", "\n"))

    def test_a_dumb_terminal_is_never_drawn_on(self):
        self.infect(latency="300ms")
        shown = self.start_scan(".", TERM="dumb").finish()
        self.assertNotIn("\x1b", shown)
        self.assertNotIn("\r", shown.replace("\r\n", "\n"))

    def test_progress_fits(self):
        self.infect(latency="300ms")
        for columns in (20, 40, 60, 80, 120):
            with self.subTest(columns):
                terminal = self.start_scan(".", columns=columns)
                shown = terminal.finish()
                lines = [line for line in DRAWN.findall(shown) if line]
                self.assertTrue(lines, shown)
                self.assertLess(max(map(len, lines)), columns)
                shown = COLOUR.sub("", shown)
                summary = shown[shown.index("\n  files") + 1:]
                if columns >= 40:
                    self.assertLessEqual(max(map(len, summary.split("\r\n"))), columns)

    def test_progress_tells_what_is_left(self):
        names = [self.write(f"in/{number}", b"%d" % number) for number in range(3)]
        self.configure(mock(default="hang", responses=[
            f"{self.digest(name)}=clean" for name in names[:2]]))
        terminal = self.start_scan("in")
        terminal.wait_for(r"2 of 4 files  \d+ s left  2 B  ")
        terminal.type("\x03")
        terminal.finish()

    def test_control_c(self):
        names = [self.write(f"in/{number}", b"%d" % number) for number in range(3)]
        self.configure(mock(default="hang", responses=[
            f"{self.digest(name)}=clean" for name in names[:2]]))
        terminal = self.start_scan("--jobs", "1", "in")
        terminal.wait_for(r"of 4 files")
        terminal.type("\x03")
        shown = COLOUR.sub("", terminal.finish())
        self.assertEqual(terminal.status, 130)
        self.assertRegex(shown, r"(?s)\n  files +[1-4] .*\n  Interrupted: ")
        # Nothing is left of the line that was drawn.
        self.assertRegex(shown[:shown.index("  files")], r"\r\x1b\[K(?:[^\r]*\r\n)+$")
        self.verify_audit()


if __name__ == "__main__":
    unittest.main()
