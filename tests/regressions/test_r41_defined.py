#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""R41: a record was read with the whole file; contents that had expired were counted but not found;
deleting an unknown id succeeded, and I/O errors were ignored.

What is asked of metadata reads metadata; what has expired is neither listed nor counted nor found
unless somebody asks for all; and whatever did not happen is not called done."""
import os
import shutil
import unittest

from accounts import covered, traced
from regressions import Case, mock

ID = "0" * 32


class Defined(Case):
    def test_metadata_without_the_content(self):
        """R41: of a large object not even a tenth is read."""
        one, = self.store(os.urandom(8 << 20))
        for words in (("show", one), ("list",), ("release", one), ("hold", one)):
            with self.subTest(words[0]):
                self.assertLess(self.read_of(one, *words), 800_000)
        self.assertGreater(self.read_of(one, "verify", one), 8 << 20)

    def read_of(self, one, *words):
        """How many bytes of the object a command reads."""
        if not shutil.which("strace"):
            self.skipTest("needs strace")
        calls = traced(self, "read,pread64,readv,mmap", "quarantine", *words)
        return sum(int(line.rsplit("= ", 1)[1]) for line in calls
                   if f"/{one}>" in line and " = 0x" not in line)

    def test_expired(self):
        """R41: listing, counting and finding agree; the same content is stored anew."""
        self.configure(mock(default="infected:A"), quarantine={"retention": "1ms"})
        path = self.write("file", b"content")
        report = self.scan(path, status=1).report
        digest = report["file"]["sha256"]
        self.assertEqual(self.objects() + self.objects("--hash", digest), [])
        # Retention deletes it at some time; until then both find it, and then neither does.
        self.assertGreaterEqual(len(self.objects("--all")),
                                len(self.objects("--all", "--hash", digest)))
        self.configure(mock(default="infected:A"))
        again = self.scan(path, status=1).report["quarantine_id"]
        self.assertEqual([kept["id"] for kept in self.objects()], [again])

    def test_unknown_ids(self):
        """R41: no success, and no record of something that did not happen."""
        self.store(b"content")
        before = len(self.operations())
        for words in (("delete",), ("show",), ("get", "-o", "out"), ("release",), ("reject",),
                      ("hold",), ("verify",), ("restore", "--to", ".", "--force", "--reason", "r")):
            with self.subTest(words[0]):
                result = self.quarantine(*words, ID, status=1)
                self.assertIn(ID, result.errors)
        self.assertEqual(len(self.operations()), before)

    def test_one_of_several(self):
        """R41: an id that is unknown is told, the others are done."""
        one, two = self.store(b"one", b"two")
        self.quarantine("delete", one, ID, two, status=1)
        self.assertEqual(self.objects(), [])

    def test_errors_of_the_disk(self):
        """R41: every call that fails is told, for every operation."""
        covered("tests/quarantine/test_crash.py", "test_delete_fails", '"delete_failed"',
                "test_restore_fails", "test_store_fails", "storage_full")(self)


if __name__ == "__main__":
    unittest.main()
