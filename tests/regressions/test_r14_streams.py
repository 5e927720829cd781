#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""R14: streams were rejected everywhere, and the "streamed" SHA-256 collected the whole file.

A stream is scanned like everything else, in memory that does not grow with it."""
import hashlib
import unittest

from regressions import CLEAN, INFECTED, Case, clamav

MIB = 1 << 20
GROWTH_KIB = 32 << 10


class Streams(Case):
    def test_verdict_is_the_same_however_it_is_cut(self):
        """R14: every size of piece, the sample across their borders."""
        listener = self.fake_clamd()
        self.configure(clamav(listener.address), hashes=["sha256"])
        program = self.driver()
        for content, outcome in ((CLEAN * 100, "clean"), (b"x" * 1000 + INFECTED, "infected"),
                                 (b"", "clean")):
            path = self.write("file", content)
            for piece in (1, 7, 1000, 1031, 65536):
                with self.subTest(outcome, piece=piece, size=len(content)):
                    report = program.scan(f"stream {path} {piece}")
                    self.assert_outcome(report, outcome)
                    self.assertEqual(report["file"]["sha256"],
                                     hashlib.sha256(content).hexdigest())

    def test_standard_input(self):
        """R14: `scan -` reads a pipe."""
        listener = self.fake_clamd()
        self.configure(clamav(listener.address))
        for content, outcome, status in ((CLEAN, "clean", 0), (INFECTED, "infected", 1)):
            self.assert_outcome(self.scan("-", stdin=content, status=status).report, outcome)

    def test_memory_does_not_grow(self):
        """R14: a stream of many times the allowed memory, hashed with SHA-256 too."""
        self.configure(hashes=["sha256"], limits={"spool_memory": "16MiB"})
        program = self.driver()
        resident = []
        for size in (20 * MIB, 300 * MIB):
            path = self.folder / "large"
            with open(path, "wb") as file:
                file.truncate(size)
            report = program.scan(f"stream {path} 65536")
            self.assert_outcome(report, "clean")
            self.assertEqual(report["file"]["size"], size)
            resident.append(program.ask("stats")["rss_kib"])
        self.assertLess(resident[1] - resident[0], GROWTH_KIB)


if __name__ == "__main__":
    unittest.main()
