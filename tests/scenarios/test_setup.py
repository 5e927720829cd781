# SPDX-License-Identifier: MIT
"""`setup clamav`: what it finds, what it writes, and signatures brought in by hand."""
import hashlib
import os
import unittest

from support import harness
from support.driver import Driver
from support.harness import CLEAN, INFECTED, private_clamd, samples
from test_spawn import signature


def packed(body=b"what follows the header", version=7, digest=None, word=b"ClamAV-VDB"):
    """A .cvd whose digest is right and whose signature nobody has made."""
    digest = digest or hashlib.md5(body, usedforsecurity=False).hexdigest()
    header = word + f":01 Jan 2026 00-00 +0000:{version}:3:90:{digest}:none:me:1767225600".encode()
    return header.ljust(512) + body


class Looking(harness.Case):
    def test_it_tells_what_is_there(self):
        result = self.run_program("setup", "clamav")
        self.assertEqual(result.status, 0, str(result))
        for words in ("clamd       /usr/", "freshclam", "sigtool", "socket", "signatures",
                      "apparmor", "memory", "no engine of type clamd", "type: clamd"):
            self.assertIn(words, result.text)
        self.assertFalse(self.data.exists(), "it made something")

    def test_written_once_and_never_over(self):
        result = self.run_program("setup", "clamav", "--write", "new.yaml")
        self.assertEqual(result.status, 0, str(result))
        written = (self.folder / "new.yaml").read_text()
        self.assertIn(written, result.text)
        self.assertEqual(self.run_program("config", "check", "new.yaml").status, 0)
        (self.folder / "new.yaml").write_text("mine")
        result = self.run_program("setup", "clamav", "--write", "new.yaml")
        self.assertEqual(result.status, 1, str(result))
        self.assertEqual((self.folder / "new.yaml").read_text(), "mine")

    def test_our_own_signatures_are_told(self):
        self.write("data/clamav/db/daily.cld", packed(version=4711))
        result = self.run_program("setup", "clamav")
        self.assertRegex(result.text, r"daily version 4711 of 01 Jan 2026 00-00 \+0000, \d+ days")

    def test_words(self):
        for words in (("--import",), ("file",), ("--import", "--roll-back", "file"),
                      ("--write", "x", "--roll-back"), ("--roll-back", "file")):
            result = self.run_program("setup", "clamav", *words)
            self.assertEqual((result.status, result.text), (2, ""), str(result))


class Importing(harness.Case):
    def setUp(self):
        super().setUp()
        self.folder.chmod(0o755)
        self.write("note.txt", CLEAN)
        self.write("eicar.com", INFECTED)
        self.write("eicar.ndb", samples.eicar_signature().encode())
        self.write("own.ndb", signature("Note.Found", CLEAN.decode()).encode())
        self.configure({"name": "clamav", "type": "clamd", "spawn": {
            "program": private_clamd.program(self.folder), "update": "follow"}})
        self.db = self.data / "clamav/db"

    def bring(self, *names, status=0):
        result = self.run_program("setup", "clamav", "--import", *names)
        self.assertEqual(result.status, status, str(result))
        return result

    def names(self):
        return sorted(path.name for path in self.db.iterdir() if path.is_file())

    def test_a_machine_without_a_network(self):
        result = self.scan("note.txt", status=2)
        self.assertIn("scanbridge setup clamav", result.report["error"]["message"])
        self.bring("eicar.ndb", "own.ndb")
        self.assertEqual(self.scan("eicar.com", status=1).report["outcome"], "infected")
        self.assertEqual(self.scan("note.txt", status=1).report["outcome"], "infected")
        self.assertEqual(self.names(), ["eicar.ndb", "own.ndb"])
        for path in self.db.iterdir():
            self.assertEqual(path.stat().st_uid, self.db.stat().st_uid)

    def test_one_that_runs_notices(self):
        self.bring("eicar.ndb")
        program = Driver(self.config, self.folder)
        self.addCleanup(program.end)
        program.open()
        self.assertEqual(program.scan(f"path {self.folder}/eicar.com")["outcome"], "infected")
        log, = self.data.glob("clamav/clamav.*/clamd.log")
        with harness.FolderWatch(log.parent, harness.FolderWatch.MODIFY) as watch:
            self.bring("own.ndb")
            while "clamd judges by signatures" not in log.read_text():
                watch.wait()

    def test_roll_back(self):
        """And back again: what was replaced is kept each time."""
        self.bring("eicar.ndb")
        self.write("else/eicar.ndb", b"Other.Name:0:*:" + CLEAN.hex().encode() + b"\n")
        self.bring("else/eicar.ndb")
        self.assertEqual(self.scan("note.txt", status=1).report["outcome"], "infected")
        for status in (0, 1, 0):
            result = self.run_program("setup", "clamav", "--roll-back")
            self.assertEqual(result.status, 0, str(result))
            self.assertEqual(self.scan("note.txt", status=status).status, status)
        self.assertEqual(self.names(), ["eicar.ndb"])

    def test_nothing_to_go_back_to(self):
        self.assertEqual(self.run_program("setup", "clamav", "--roll-back").status, 1)
        self.bring("eicar.ndb")
        self.assertEqual(self.run_program("setup", "clamav", "--roll-back").status, 1)
        self.assertEqual(self.names(), ["eicar.ndb"])

    def test_what_is_refused_changes_nothing(self):
        """Also what stands before it in the same line."""
        self.bring("eicar.ndb")
        before = (self.db / "eicar.ndb").read_bytes()
        self.write("else/eicar.ndb", b"Other:0:*:aaaa\n")
        self.write("daily.cvd", packed(digest="0" * 32))
        self.write("main.cvd", packed())
        self.write("short.cvd", packed()[:511])
        self.write("odd.cvd", packed(word=b"ClamAV-VDX"))
        self.write("empty.ndb", b"")
        self.write("note.ndb\n", b"x")
        self.write("text", b"x")
        os.mkfifo(self.folder / "fifo.ndb")
        with open(self.folder / "huge.ndb", "wb") as file:
            file.truncate((1 << 30) + 1)
        for name, status, words in (
                ("daily.cvd", 1, "does not fit its digest"), ("main.cvd", 1, "signed by ClamAV"),
                ("short.cvd", 1, "does not begin"), ("odd.cvd", 1, "does not begin"),
                ("empty.ndb", 1, "empty"), ("note.ndb\n", 1, "not the name"),
                ("text", 1, "not the name"), ("fifo.ndb", 1, "no regular file"),
                ("huge.ndb", 1, "more than 1 GiB"), ("none.ndb", 2, "No such file")):
            with self.subTest(name):
                result = self.bring("else/eicar.ndb", name, status=status)
                self.assertIn(words, result.errors)
                self.assertEqual(result.text, "")
                self.assertEqual((self.db / "eicar.ndb").read_bytes(), before)
                self.assertEqual(sorted(os.listdir(self.db)), ["eicar.ndb", "previous"])


if __name__ == "__main__":
    unittest.main()
