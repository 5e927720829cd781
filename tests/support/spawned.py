# SPDX-License-Identifier: MIT
"""A clamd of our own under test: its configuration, its process, its log, and what must not be left
of it."""
import os
import pathlib
import select
import time

from support import harness
from support.driver import Driver
from support.harness import CLEAN, INFECTED, PATIENCE, private_clamd, samples

MEMORY = pathlib.Path("/dev/shm")


def signature(name, text):
    """A line of an .ndb file: finds the text anywhere in any file."""
    return f"{name}:0:*:{text.encode().hex()}\n"


def clamds(below):
    """Every clamd that runs somewhere below a folder."""
    found = []
    for folder in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            if (folder / "cwd").resolve().is_relative_to(below) and \
                    (folder / "comm").read_text() != "sb-keeper\n":
                found.append(int(folder.name))
        except OSError:
            continue
    return found


def await_end(handle):
    """Of the process that a pidfd stands for."""
    if not select.select([handle], [], [], PATIENCE)[0]:
        raise AssertionError("it is still there")


class SpawnCase(harness.Case):
    def setUp(self):
        super().setUp()
        self.folder.chmod(0o755)  # clamd runs as another user, when we are root
        self.signatures = self.folder / "signatures"
        self.signatures.mkdir(mode=0o755)
        (self.signatures / "eicar.ndb").write_text(samples.eicar_signature())
        self.write("note.txt", CLEAN)
        self.write("eicar.com", INFECTED)
        self.use()
        self.addCleanup(self.nothing_is_left)

    def use(self, spawn=None, sections=None, **settings):
        given = {"program": private_clamd.program(self.folder),
                 "database": str(self.signatures)} | (spawn or {})
        given = {key: value for key, value in given.items() if value is not None}
        self.configure({"name": "clamav", "type": "clamd", "spawn": given} | settings,
                       **(sections or {}))

    def nothing_is_left(self):
        self.assertEqual(clamds(self.folder), [])
        self.assertEqual([str(path) for path in self.temporary()], [])

    def home(self):
        """The folder of the one clamd that was ever started here."""
        found = [path for path in (self.data / "clamav").iterdir() if path.name != "db"
                 and path.is_dir()]
        self.assertEqual(len(found), 1)
        return found[0]

    def log(self):
        return (self.home() / "clamd.log").read_text()

    def await_log(self, words, count=1):
        """Until they stand in the log; woken by its growth."""
        deadline = time.monotonic() + PATIENCE
        with harness.FolderWatch(self.home(), harness.FolderWatch.MODIFY) as watch:
            while self.log().count(words) < count:
                left = deadline - time.monotonic()
                self.assertTrue(left > 0 and select.select([watch], [], [], left)[0], self.log())
                watch.wait()

    def temporary(self):
        """Temporary folders in memory that belong to a clamd of this test."""
        owners = {f"scanbridge-clamd.{path.name.rsplit('.', 1)[1]}"
                  for path in (self.data / "clamav").glob("*.*") if path.is_dir()} \
            if (self.data / "clamav").exists() else set()
        return [path for path in MEMORY.glob("scanbridge-clamd.*")
                if any(path.name.startswith(owner) for owner in owners)]

    def program(self, text, name="program", interpreter="/bin/sh"):
        path = self.write(name, f"#!{interpreter}\n{text}".encode())
        path.chmod(0o755)
        return str(path)

    def driver(self):
        program = Driver(self.config, self.folder, {"XDG_RUNTIME_DIR": ""})
        self.addCleanup(self._end_driver, program)
        program.open()
        return program

    def _end_driver(self, program):
        if program.process.poll() is None:
            self.assertIsNone(program.end())

    def look(self, program, name="note.txt"):
        report = program.scan(f"path {self.folder}/{name}")
        return report["error"]["kind"] if report["error"] else report["outcome"]
