#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""R43: no operation on the store left an audit record.

Every event that the store knows is in the log, with what the Rust crate's event carries, for acts
that were done, failed, or were cut off; nothing is done whose record can't be written."""
import os
import re
import shutil
import subprocess
import unittest

from regressions import CLEAN, Case, mock
from support.harness import PATIENCE, ROOT, SCANBRIDGE

FIELDS = {"scan_id", "quarantine_id", "file_hash_blake3", "operation", "phase", "reason",
          "tenant_id", "original_filename", "file_size"}
BAD = mock(default="infected:A")


def known():
    """Every event of src/quarantine/words.c."""
    text = (ROOT / "src/quarantine/words.c").read_text()
    return set(re.findall(r'\[SB_Q_EVENT_\w+\] = \{"(\w+)", "(\w+)"\}', text))


class Audited(Case):
    def setUp(self):
        super().setUp()
        self.configure(BAD)

    def seen(self):
        for record in self.operations():
            self.assertLessEqual(FIELDS, set(record))
            self.assertEqual(record["uid"], os.geteuid())
        return {(record["operation"], record["phase"]) for record in self.operations()}

    # --- What is done ----------------------------------------------------------------------
    def acts(self):
        """One of each."""
        for number in range(2):
            self.write(f"in/{number}", b"%d" % number)
        one, two = (r["quarantine_id"] for r in self.scan("--remove", "in", status=1).reports)
        (self.folder / "back").mkdir()
        self.quarantine("get", "-o", "out", "--reason", "r", one)
        self.quarantine("restore", "--to", "back", "--force", "--reason", "r", one)
        self.quarantine("verify", one)
        self.quarantine("release", one)
        self.quarantine("hold", two)
        self.quarantine("hold", "--off", two)
        self.quarantine("delete", two)
        self.quarantine("rekey")
        self.configure(mock(default="suspicious:A"))
        self.quarantine("reject", self.scan(self.write("odd", b"odd"), status=1)
                        .report["quarantine_id"])
        self.configure(BAD, quarantine={"retention": "1ms"})
        self.scan(self.write("late", b"late"), status=1)
        self.quarantine("purge")

    def failures(self):
        """What the disk refuses."""
        self.configure(BAD)
        bad = self.write("bad", b"bad")
        kept = self.scan("--tenant", "t", bad, status=1).report["quarantine_id"]
        self.breaking("renameat2:error=EACCES", "scan", "--remove", str(bad))
        (self.folder / "wall").mkdir()
        self.breaking("linkat:error=ENOSPC", "quarantine", "restore", "--to", "wall", "--force",
                      "--reason", "r", kept)
        self.breaking("unlinkat:error=EIO", "quarantine", "delete", kept)
        self.configure(BAD, quarantine={"retention": "1ms"})
        self.breaking("unlinkat:error=EIO", "scan", str(self.write("late", b"very late")))
        self.breaking("unlinkat:error=EIO", "quarantine", "purge")

    def cut_off(self):
        """Killed when the object has its name; what a power cut leaves of it."""
        path = self.write("cut", os.urandom(50000))
        objects = self.data / "quarantine/objects"
        before = set(os.listdir(objects))
        self.breaking("fsync:signal=KILL:when=1", "scan", str(path), only=objects)
        torn, = set(os.listdir(objects)) - before
        os.truncate(objects / torn, 3000)
        self.scan(self.write("other", b"x"), status=1)

    def breaking(self, fault, *words, only=None):
        """Run with system calls that fail, of all files or of one."""
        line = ["strace", "-f", "-qq", "-o", "/dev/null", *(["-P", only] if only else []), "-e",
                "trace=" + fault.partition(":")[0], "-e", f"inject={fault}", SCANBRIDGE,
                "--config", self.config, *words]
        done = subprocess.run(line, capture_output=True, timeout=PATIENCE, check=False,
                              cwd=self.folder,
                              env=self.environment() | {"ASAN_OPTIONS": "detect_leaks=0"})
        self.assertNotEqual(done.returncode, 0, words)

    def test_every_event(self):
        """R43: all that the store can tell is told by something that really happens."""
        if not shutil.which("strace"):
            self.skipTest("needs strace")
        self.assertGreater(len(known()), 20)
        self.acts()
        self.cut_off()
        self.failures()
        self.assertEqual(known() - self.seen(), set())

    def test_who_and_why(self):
        """R43: in a scan its id, elsewhere the reason that was given."""
        one, = self.store(b"content")
        self.quarantine("get", "-o", "out", "--reason", "analysis", one)
        stored, got = self.operations()
        self.assertEqual((got["scan_id"], got["reason"], got["uid"]),
                         (None, "analysis", os.geteuid()))
        self.assertIsNotNone(stored["scan_id"])
        for record in (stored, got):
            self.assertEqual((record["quarantine_id"], record["original_filename"],
                              record["file_size"]), (one, "0", 7))

    def test_nothing_without_its_record(self):
        """R43: a log that can't be written prevents every act."""
        one, = self.store(CLEAN)
        log = self.data / "audit.jsonl"
        log.write_bytes(log.read_bytes()[:-200] + b"tampered\n")
        for words in (("get", "-o", "out"), ("delete",), ("release",), ("hold",)):
            self.quarantine(*words, one, status=2)
        self.assertFalse((self.folder / "out").exists())
        self.assertEqual(os.listdir(self.data / "quarantine/objects"), [one])


if __name__ == "__main__":
    unittest.main()
