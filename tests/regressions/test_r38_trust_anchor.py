#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""R38: the trust anchor was a hash in an unprotected JSON file, and file_size was not checked.

All that an object says of itself is authenticated together with its content: whoever changes a
byte, a size, or puts one object in another's place, gets nothing out. The crash and unit tests of
the store flip every byte; here it is what people see."""
import sqlite3
import unittest

from regressions import Case


class Anchor(Case):
    def setUp(self):
        super().setUp()
        self.ids = self.store(b"content one, " * 30000, b"content two, " * 30000)
        self.objects_folder = self.data / "quarantine/objects"

    def refused(self, one):
        for words in (("get", "-o", "out"), ("verify",)):
            result = self.run_program("quarantine", *words, one)
            self.assertIn(result.status, (1, 2), str(result))  # 2: a key that nobody has
            self.assertRegex(result.errors, rf"quarantine .*\b{one}\b")
        self.assertFalse((self.folder / "out").exists(), "bytes that nobody vouches for")

    def test_a_byte_anywhere(self):
        """R38: in what describes the content as well as in the content."""
        path = self.objects_folder / self.ids[0]
        whole = path.read_bytes()
        for at in (0, 9, 20, 60, 200, 700, 1500, len(whole) // 2, len(whole) - 1):
            with self.subTest(at):
                data = bytearray(whole)
                data[at] ^= 1
                path.write_bytes(data)
                self.refused(self.ids[0])
        path.write_bytes(whole)
        self.quarantine("verify", self.ids[0])

    def test_a_size(self):
        """R38: shorter, longer, and of whole pieces."""
        path = self.objects_folder / self.ids[0]
        whole = path.read_bytes()
        for data in (whole[:-1], whole + b"\0", whole[:len(whole) // 2], whole[:100], b"",
                     whole + whole[-65536:]):
            with self.subTest(len(data)):
                path.write_bytes(data)
                self.refused(self.ids[0])

    def test_another_object(self):
        """R38: a good object under another one's name."""
        (self.objects_folder / self.ids[0]).write_bytes(
            (self.objects_folder / self.ids[1]).read_bytes())
        self.refused(self.ids[0])
        self.quarantine("verify", self.ids[1])

    def test_the_index_proves_nothing(self):
        """R38: what stands in it is not believed where the object says otherwise."""
        for column, value in (("size", 5), ("blake3", bytes(32)), ("record", "{}")):
            with self.subTest(column):
                index = sqlite3.connect(self.data / "quarantine/index.sqlite")
                with index:
                    index.execute(f"UPDATE objects SET {column} = ? WHERE id = ?",
                                  (value, self.ids[0]))
                index.close()
                self.refused(self.ids[0])
                self.quarantine("rebuild")
                self.quarantine("verify", self.ids[0])


if __name__ == "__main__":
    unittest.main()
