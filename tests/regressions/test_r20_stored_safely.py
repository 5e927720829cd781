#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""R20: plain bytes, default permissions, no fsync, no atomic rename, and the original stayed
without a word.

Objects are encrypted, for their owner only whatever the umask, and durable before the original
goes; it goes only where somebody asked for it, and the report says so. tests/quarantine kills the
program at every one of these steps."""
import os
import re
import stat
import unittest

from accounts import traced
from regressions import INFECTED, Case, mock

NAME = "a telling name.doc"
# The system calls of `scan --remove`, each behind the one before it.
STEPS = (("the object has its bytes on disk", r"fsync\(\d+<[^>]*/objects/[^>]+>"),
         ("it gets its name at once", r"linkat\(.*/objects>, \"[0-9a-f]{32}\""),
         ("the folder has the name on disk", r"fsync\(\d+<[^>]*/objects>"),
         ("the index knows it", r"fdatasync\(\d+<[^>]*/index\.sqlite-wal>"),
         ("it is on record", r"write\(\d+<[^>]*audit\.jsonl>, .*"),
         ("and the record on disk", r"fdatasync\(\d+<[^>]*audit\.jsonl>"),
         ("the original is claimed", r"renameat2\(.*\"" + re.escape(NAME)),
         ("and removed", r"unlinkat\(.*\"\.sb-"),
         ("for good", r"fsync\(\d+<[^>]*/in>"))


class Safely(Case):
    def setUp(self):
        super().setUp()
        self.configure(mock(default="infected:Some.Trojan"))
        self.file = self.write(f"in/{NAME}", INFECTED * 50)

    def test_for_its_owner_only(self):
        """R20: with a umask of nothing."""
        old = os.umask(0)
        self.addCleanup(os.umask, old)
        self.scan(self.file, status=1)
        found = list(self.data.rglob("*"))
        self.assertGreater(len(found), 5)
        for path in [self.data, *found]:
            self.assertEqual(stat.S_IMODE(path.stat().st_mode), 0o700 if path.is_dir() else 0o600,
                             path)

    def test_nothing_can_be_read(self):
        """R20: no content in any file of the data directory, and objects tell nothing at all."""
        self.scan(self.file, status=1)
        files = [path for path in self.data.rglob("*") if path.is_file()]
        self.assertGreater(len(files), 4)
        for path in files:
            data = path.read_bytes()
            self.assertFalse(INFECTED[:20] in data, path)
            self.assertFalse(path.parent.name == "objects" and NAME.encode() in data, path)

    def test_the_original_stays_unless_somebody_asks(self):
        """R20: and it is said what became of it."""
        report = self.scan(self.file, status=1).report
        self.assertNotIn("original", report)
        self.assertTrue(self.file.exists())
        report = self.scan("--remove", self.file, status=1).report
        self.assertEqual(report["original"], {"removed": True, "other_links": 0})
        self.assertFalse(self.file.exists())

    def test_durable_before_the_original_goes(self):
        """R20: what a power cut at any moment would find."""
        self.scan(self.write("other", b"x"), status=1)  # the store is there
        calls = traced(self, "write,fsync,fdatasync,linkat,renameat2,unlinkat", "scan",
                       "--remove", str(self.file), status=1)
        first = next(n for n, line in enumerate(calls) if "/objects/" in line)
        calls = iter(calls[first:])
        for what, pattern in STEPS:
            self.assertTrue(any(re.search(pattern, line) for line in calls), what)


if __name__ == "__main__":
    unittest.main()
