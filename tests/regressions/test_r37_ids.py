#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""R37: ids were joined into paths unchecked: `..` or an absolute id led out of the store.

An id is 32 small hexadecimal digits; nothing else reaches the disk, for any command."""
import shutil
import subprocess
import unittest

from accounts import traced
from regressions import Case
from support.harness import BUILD

ID = "0123456789abcdef" * 2
BAD = ("..", ".", "", "/", "/etc/passwd", "../index.sqlite", "../objects/" + ID, "objects/" + ID,
       ID[:-1], ID + "0", ID.upper(), ID[:-1] + "/", ID[:-1] + ".", ID[:-2] + "..", "./" + ID[2:],
       "../../../../../../../tmp/" + ID, ID[:-1] + "\n", " " + ID[1:], "%2e%2e%2f" + ID[9:],
       "\u2025/" + ID[3:], "~", "*", "?" * 32, "-" + ID[1:], "0x" + ID[2:], ID[:-1] + "g",
       "x" * 5000)
COMMANDS = (("show",), ("get", "-o", "out"), ("restore", "--to", ".", "--force", "--reason", "r"),
            ("release",), ("reject",), ("hold",), ("delete",), ("verify",))


class Ids(Case):
    def setUp(self):
        super().setUp()
        self.kept, = self.store(b"content")
        self.write("outside/" + ID, b"not an object")

    def test_every_command_refuses(self):
        """R37: and nothing is made, read or removed elsewhere."""
        before = self.tree()
        for number, bad in enumerate(BAD):
            command = COMMANDS[number % len(COMMANDS)]
            with self.subTest(bad[:60], command=command[0]):
                result = self.quarantine(*command, "--", bad, status=2)
                self.assertIn("32 digits", result.errors)
                self.assertFalse("\n" in result.errors.rstrip("\n"), result.errors)
        for command in COMMANDS:
            self.quarantine(*command, "--", "../../outside/" + ID, status=2)
        self.assertEqual(self.tree(), before)

    def tree(self):
        return {str(path): path.is_file() and path.stat().st_size
                for path in self.folder.rglob("*") if "audit" not in path.name
                and "sqlite" not in path.name}

    def test_the_store_itself_refuses(self):
        """R37: below the command line, too."""
        store = self.folder / "store"
        for bad in BAD:
            for verb in ("get", "delete", "release", "hold", "check"):
                done = subprocess.run([BUILD / "tests/quarantine_driver", store, verb, bad],
                                      capture_output=True, text=True)
                self.assertEqual(done.returncode, 1, (verb, bad, done.stdout))
                self.assertIn("- invalid_id: ", done.stdout, (verb, bad))

    def test_no_bad_id_is_ever_opened(self):
        """R37: not even to see that it isn't there."""
        if not shutil.which("strace"):
            self.skipTest("needs strace")
        for call in traced(self, "openat,unlinkat,renameat2,newfstatat,linkat", "quarantine",
                           "delete", "--", "../../outside/" + ID, status=2):
            self.assertFalse(ID in call and "execve" not in call, call)


if __name__ == "__main__":
    unittest.main()
