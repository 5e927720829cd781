# SPDX-License-Identifier: MIT
"""Kill -9 and errors at the system calls of the verdict cache (D1, D2).

Whatever fails, a process goes on with what is in memory, and gives no wrong verdict; whatever was
broken off, the next process finds a cache that works, and in which everything is right.
SB_EVERY=1 takes every point instead of a sample of those that repeat.
"""
import collections
import os
import pathlib
import re
import shutil
import subprocess
import tempfile
import unittest
from concurrent.futures import ThreadPoolExecutor

BUILD = pathlib.Path(os.environ.get("SCANBRIDGE_BUILD", "build")).resolve()
DRIVER = BUILD / "tests" / "cache_fill"
COUNT = 5
POINTS = None if os.environ.get("SB_EVERY") else 5

KILLED_AT = ("openat mkdir mkdirat write pwrite64 read pread64 fsync fdatasync ftruncate linkat "
             "renameat renameat2 unlink unlinkat fchmod fcntl close mmap munmap msync fallocate "
             "newfstatat fstat clone3 futex").split()
FAILING = ("openat mkdirat write pwrite64 read pread64 fsync fdatasync ftruncate linkat renameat "
           "renameat2 unlinkat fchmod fcntl mmap fstat").split()
ERRORS = ["ENOSPC", "EIO", "EACCES", "EROFS"]


def run(folder, count, inject=None):
    command = [str(DRIVER), str(folder / "cache"), str(count)]
    if inject:
        command = ["strace", "-f", "-qq", "-o", "/dev/null", "-e", f"trace={inject.split(':')[0]}",
                   "-e", f"inject={inject}", *command]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def calls(folder):
    """How often each call happens before the folder is touched, and in all."""
    log = folder / "log"
    subprocess.run(["strace", "-f", "-qq", "-o", log, DRIVER, folder / "cache", str(COUNT)],
                   check=True, capture_output=True)
    first, total = None, collections.Counter()
    for line in log.read_text(errors="replace").splitlines():
        match = re.match(r"\d+ +(\w+)\(", line)
        if match:
            if first is None and "/cache" in line and "execve" not in line:
                first = collections.Counter(total)
            total[match[1]] += 1
    return first, total


class Faults(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        if not shutil.which("strace"):
            raise unittest.SkipTest("needs strace")
        if subprocess.run(["strace", "-o", "/dev/null", "true"], check=False,
                          capture_output=True).returncode != 0:
            raise unittest.SkipTest("strace may not trace here")
        cls.base = pathlib.Path(tempfile.mkdtemp(
            dir="/dev/shm" if os.access("/dev/shm", os.W_OK) else None))
        # A cache with some of it in it already; and none at all.
        (cls.base / "some").mkdir()
        assert run(cls.base / "some", 2).returncode == 0
        (cls.base / "none").mkdir()

    @classmethod
    def tearDownClass(cls):
        shutil.rmtree(cls.base)

    def scene(self, template):
        folder = pathlib.Path(tempfile.mkdtemp(dir=self.base))
        shutil.copytree(self.base / template, folder, dirs_exist_ok=True)
        return folder

    def points(self, name, first, total):
        every = range(first[name] + 1, total[name] + 1)
        if POINTS is None or len(every) <= POINTS:
            return list(every)
        step = (len(every) - 1) / (POINTS - 1)
        return sorted({every[round(i * step)] for i in range(POINTS)})

    def check(self, template, inject, survives):
        folder = self.scene(template)
        broken = run(folder, COUNT, inject)
        wanted = (0,) if survives else (0, 137, -9)
        if survives and inject.startswith("mmap"):
            wanted = (0, 1)  # for want of memory it may not open, or have none to go on with
        if broken.returncode not in wanted:
            return f"{template} {inject}: {broken.returncode} {broken.stderr}"
        again = run(folder, COUNT)
        known = run(folder, -COUNT)
        if again.returncode != 0 or known.stdout != f"{COUNT}\n":
            return f"{template} {inject}: afterwards {again} {known}"
        shutil.rmtree(folder)
        return None

    def each(self, names, injections, survives):
        jobs = []
        for template in ("some", "none"):
            first, total = calls(self.scene(template))
            self.assertIsNotNone(first)
            jobs += [(template, f"{name}:{what}:when={at}", survives)
                     for name in names for what in injections
                     for at in self.points(name, first, total)]
        self.assertGreater(len(jobs), 100)
        with ThreadPoolExecutor(2) as pool:
            findings = [f for f in pool.map(lambda job: self.check(*job), jobs) if f]
        self.assertEqual(findings, [], "\n".join(findings))

    def test_killed(self):
        self.each(KILLED_AT, ["signal=KILL"], survives=False)

    def test_errors(self):
        self.each(FAILING, [f"error={error}" for error in ERRORS], survives=True)


if __name__ == "__main__":
    unittest.main()
