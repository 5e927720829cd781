#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""R10: the size limit did not apply to paths; hash, engines and quarantine opened the path
separately.

The limit holds for every kind of input, and the bytes hashed are the bytes scanned: one private
copy, `changed` when the path is another file afterwards."""
import hashlib
import os
import unittest

from regressions import CLEAN, INFECTED, Case, On, clamav

LIMIT = 1000


class SizeLimit(Case):
    def test_command_line(self):
        """R10: a byte more than the limit is file_too_large, by path and from a pipe."""
        for size, outcome, status in ((LIMIT, "clean", 0), (LIMIT + 1, "error", 2),
                                      (LIMIT * 100, "error", 2)):
            path = self.write("file", b"x" * size)
            with self.subTest(size):
                for report in (
                        self.scan("--max-size", str(LIMIT), path, status=status).report,
                        self.scan("--max-size", str(LIMIT), "-", stdin=b"x" * size,
                                  status=status).report):
                    self.assert_outcome(report, outcome, kind="file_too_large"
                                        if outcome == "error" else None)

    def test_library(self):
        """R10: the same for path, descriptor, memory and stream."""
        self.configure(limits={"max_size": LIMIT})
        fits, exceeds = self.write("fits", b"x" * LIMIT), self.write("exceeds", b"x" * (LIMIT + 1))
        program = self.driver()
        for verb, rest in (("path", ""), ("fd", ""), ("memory", ""), ("stream", " 100"),
                           ("stream", " 100000")):
            with self.subTest(verb + rest):
                self.assert_outcome(program.scan(f"{verb} {fits}{rest}"), "clean")
                self.assert_outcome(program.scan(f"{verb} {exceeds}{rest}"), "error",
                                    kind="file_too_large", action="block")

    def test_engine_limit(self):
        """R10: an engine's own max_size is kept before the engine sees a byte."""
        listener = self.fake_clamd()
        self.configure(clamav(listener.address, max_size=LIMIT))
        report = self.scan(self.write("file", b"x" * (LIMIT + 1)), status=2).report
        self.assert_outcome(report, "error", kind="file_too_large", engine="clamav")
        self.assertFalse({b"FILDES", b"INSTREAM"} & set(listener.requests()))


class OneCopy(Case):
    """A file is replaced, by rename, while the engine is looking at it."""

    def swapping_clamd(self, path, replacements, fildes):
        """Before its reply, every scan puts the next replacement in the path's place."""
        self.seen = []
        left = list(replacements)

        def reply(peer, request):
            self.seen.append(request.content)
            if left:
                os.rename(self.write("next", left.pop(0)), path)
            peer.send(request.line())
        return self.fake_clamd(fault=On(reply=reply), fildes=fildes)

    def scan_swapped(self, replacements, fildes, status):
        path = self.write("file", CLEAN)
        listener = self.swapping_clamd(path, replacements, fildes)
        self.configure(clamav(listener.address), hashes=["blake3", "sha256"])
        return self.scan(path, status=status).report

    def test_swapped_once(self):
        """R10: malware takes the file's place: scanned again, and found."""
        for fildes in (True, False):
            with self.subTest(fildes=fildes):
                report = self.scan_swapped([INFECTED], fildes, 1)
                self.assert_outcome(report, "infected")
                self.assertEqual(self.seen, [CLEAN, INFECTED])
                self.assertEqual(report["file"]["sha256"], hashlib.sha256(INFECTED).hexdigest())

    def test_swapped_again(self):
        """R10: a file that doesn't stand still is `changed`, never clean."""
        for fildes in (True, False):
            with self.subTest(fildes=fildes):
                report = self.scan_swapped([CLEAN + b"1", CLEAN + b"2", CLEAN + b"3"], fildes, 2)
                self.assert_outcome(report, "error", kind="changed", action="block")
                self.assertEqual(len(self.seen), 2)

    def test_bytes_hashed_are_bytes_scanned(self):
        """R10: what the engine was given has the hash that the report shows."""
        for size in (0, 1, 70000, 20 << 20):  # the last one is not kept in memory
            for fildes in (True, False):
                with self.subTest(size, fildes=fildes):
                    path = self.write("file", b"y" * size)
                    listener = self.swapping_clamd(path, [], fildes)
                    self.configure(clamav(listener.address), hashes=["sha256"])
                    file = self.scan(path, status=0).report["file"]
                    self.assertEqual((file["size"], file["sha256"]),
                                     (size, hashlib.sha256(self.seen[-1]).hexdigest()))


if __name__ == "__main__":
    unittest.main()
