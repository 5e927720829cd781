#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""R39: data was written before its metadata, which left orphans after a crash; metadata that could
not be read was skipped without a word.

Whatever is wrong with an object is told and stays listed as damaged; what does not belong there is
a stray. tests/quarantine kills the store at every system call and looks for orphans (D2)."""
import os
import sqlite3
import unittest

from accounts import covered
from regressions import Case


class Told(Case):
    def setUp(self):
        super().setUp()
        self.ids = self.store(b"one", b"two", b"three")
        self.path = self.data / "quarantine/objects" / self.ids[1]

    def check(self):
        """It is named, the others are as they were, and it can be got rid of."""
        result = self.quarantine("verify", status=1)
        self.assertEqual(result.text, "2 good, 1 bad, 0 strays\n")
        self.assertIn(self.ids[1], result.errors)
        states = {kept["id"]: kept["state"] for kept in self.objects()}
        self.assertEqual(states, {self.ids[0]: "quarantined", self.ids[1]: "damaged",
                                  self.ids[2]: "quarantined"})
        self.assertIn("damaged", self.quarantine("list").text)
        self.quarantine("get", "-o", "out", self.ids[1], status=1)
        self.quarantine("delete", self.ids[1])
        self.assertEqual(self.quarantine("verify").text, "2 good, 0 bad, 0 strays\n")

    def test_cut(self):
        """R39: a part of it."""
        os.truncate(self.path, 50)
        self.check()

    def test_gone(self):
        """R39: nothing of it."""
        self.path.unlink()
        self.check()

    def test_other_bytes(self):
        """R39: something else in its place."""
        self.path.write_bytes(b"nothing of ours" * 200)
        self.check()

    def test_a_record_that_cannot_be_read(self):
        """R39: in the index; the object has it, too."""
        index = sqlite3.connect(self.data / "quarantine/index.sqlite")
        with index:
            index.execute("UPDATE objects SET record = '{' WHERE id = ?", (self.ids[1],))
        index.close()
        result = self.quarantine("verify", status=1)
        self.assertIn(self.ids[1], result.errors)
        self.assertEqual(len(self.objects()), 3)
        self.quarantine("rebuild")
        self.assertEqual(self.quarantine("verify").text, "3 good, 0 bad, 0 strays\n")

    def test_strays(self):
        """R39: a file that no object is."""
        (self.path.parent / "0123").write_bytes(b"x")
        self.assertEqual(self.quarantine("verify", status=1).text, "3 good, 0 bad, 1 strays\n")

    def test_orphans(self):
        """R39: the store is killed at every point of every operation."""
        covered("tests/quarantine/test_crash.py", "signal=KILL", "test_store_killed",
                "self.assertEqual(names, set(objects)")(self)


if __name__ == "__main__":
    unittest.main()
