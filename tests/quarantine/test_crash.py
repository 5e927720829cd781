# SPDX-License-Identifier: MIT
"""Kill -9 and errors at every system call of what the quarantine does (D1, D2).

After each: the store opens and verifies clean (recovery needs no help), the bytes are in their
place or in a verified object (I2), nothing readable lies about (I4), no temporary file is left,
and the same request gives the same answer (I6). SB_EVERY=1 takes every point instead of a
sample of those that repeat.

Traps of strace: `trace=none` switches injection off, and `when=` counts per system call.
"""
import collections
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import unittest
from concurrent.futures import ThreadPoolExecutor

BUILD = pathlib.Path(os.environ.get("SCANBRIDGE_BUILD", "build"))
DRIVER = BUILD / "tests" / "quarantine_driver"
SHORT = BUILD / "tests" / "libshort.so"
# What changes something, waits for something, or finds something out.
CALLS = ("openat mkdirat write pwrite64 pread64 read fsync fdatasync ftruncate fallocate linkat "
         "renameat2 renameat unlink unlinkat fchmod fchown fcntl close newfstatat fstat lseek "
         "mmap munmap getdents64 getrandom").split()
ERRORS = ["ENOSPC", "EIO", "EACCES", "EDQUOT", "EROFS", "EINTR"]
FAILING = ("openat mkdirat write pwrite64 pread64 read fsync fdatasync ftruncate fallocate linkat "
           "renameat2 renameat unlinkat fchmod").split()
TEXT = b"what must be neither lost nor left about, 0123456789" * 40
LIMIT = 0 if os.environ.get("SB_EVERY") else 6


def run(*args, env=None, inject=None, timeout=60):
    command = [str(DRIVER), *map(str, args)]
    if inject:
        name = inject.split(":")[0]
        command = ["strace", "-f", "-qq", "-o", "/dev/null", "-e", f"trace={name}",
                   "-e", f"inject={inject}", *command]
    return subprocess.run(command, capture_output=True, timeout=timeout, check=False,
                          env={**os.environ, **(env or {})})


def count_calls(*args, env=None):
    """How often each system call happens, and how often before the store's folder is touched."""
    with tempfile.NamedTemporaryFile(mode="r") as log:
        subprocess.run(["strace", "-f", "-qq", "-o", log.name, "-e", "trace=" + ",".join(CALLS),
                        str(DRIVER), *map(str, args)], check=False, capture_output=True,
                       env={**os.environ, **(env or {})})
        first, total = None, collections.Counter()
        for line in log:
            match = re.match(r"\d+ +(\w+)\(", line)
            if not match:
                continue
            if first is None and "quarantine\"" in line:
                first = collections.Counter(total)
            total[match[1]] += 1
    return first, total


def points(first, total, name):
    """All calls of this name behind the start-up, or a sample: the first, the last, some."""
    start, end = first[name] + 1, total[name]
    every = list(range(start, end + 1))
    if not LIMIT or len(every) <= LIMIT:
        return every
    step = (len(every) - 1) / (LIMIT - 1)
    return sorted({every[round(i * step)] for i in range(LIMIT)})


class Scene:
    """A folder with a store that has one object already, a file to work on, and a target."""

    def __init__(self, base, number, template):
        self.path = pathlib.Path(base) / f"s{number}"
        shutil.copytree(template, self.path, symlinks=True)
        self.dir = self.path / "quarantine"
        self.file = self.path / "in" / "file"
        self.out = self.path / "out"
        self.events = self.path / "events"


class Crash(unittest.TestCase):
    maxDiff = None

    @classmethod
    def setUpClass(cls):
        if not shutil.which("strace"):
            raise unittest.SkipTest("needs strace")
        probe = subprocess.run(["strace", "-o", "/dev/null", "true"], check=False,
                               capture_output=True)
        if probe.returncode != 0:
            raise unittest.SkipTest("strace may not trace here")
        cls.base = tempfile.mkdtemp(dir="/dev/shm" if os.access("/dev/shm", os.W_OK) else None)
        cls.template = pathlib.Path(cls.base) / "template"
        (cls.template / "in").mkdir(parents=True)
        (cls.template / "out").mkdir()
        (cls.template / "in" / "file").write_bytes(TEXT)
        (cls.template / "old").write_bytes(b"an older object")
        done = run(cls.template / "quarantine", "store", cls.template / "old")
        assert done.returncode == 0, done.stdout
        cls.old = done.stdout.decode().strip()
        cls.number = 0

    @classmethod
    def tearDownClass(cls):
        shutil.rmtree(cls.base)

    def scene(self):
        Crash.number += 1
        return Scene(self.base, Crash.number, self.template)

    def whole(self, scene, what):
        """The store is in order, and TEXT is in its place or in an object."""
        done = run(scene.dir, "verify")
        self.assertEqual(done.returncode, 0, f"{what}: {done.stdout} {done.stderr}")
        objects = {}
        for line in run(scene.dir, "list").stdout.splitlines():
            record = json.loads(line)
            objects[record["id"]] = record
        names = set(os.listdir(scene.dir / "objects"))
        self.assertEqual(names, set(objects), what)
        kept = [i for i, r in objects.items() if r["size"] == len(TEXT)]
        self.assertLessEqual(len(kept), 1, what)
        for path in scene.dir.rglob("*"):
            if path.is_file():
                self.assertNotIn(TEXT[:40], path.read_bytes(), f"{what}: {path}")
                self.assertEqual(path.stat().st_mode & 0o7777, 0o600, f"{what}: {path}")
        return objects, kept

    def original(self, scene, kept, what):
        there = scene.file.exists()
        if there:
            self.assertEqual(scene.file.read_bytes(), TEXT, what)
        else:
            self.assertTrue(kept, f"{what}: the original is gone, and there is no object")
            self.assertEqual(run(scene.dir, "get", kept[0]).stdout, TEXT, what)
        self.assertLessEqual(set(os.listdir(scene.file.parent)), {"file"}, what)
        return there

    def each(self, prepare, check, env=None, errors=False, expect=()):
        """Break `prepare(scene)`'s command at every point, and check each scene afterwards."""
        scene = self.scene()
        first, total = count_calls(*prepare(scene), env=env)
        self.assertIsNotNone(first)
        self.statuses = set()
        jobs = []
        if errors:
            for name in FAILING:
                for k in points(first, total, name):
                    for number, error in enumerate(ERRORS):
                        if LIMIT and (k + number) % 3 and error != "ENOSPC":
                            continue
                        jobs.append(f"{name}:error={error}:when={k}")
                    if name == "write":  # the disk says 7 bytes are written, and lies
                        jobs.append(f"{name}:retval=7:when={k}")
        else:
            jobs = [f"{name}:signal=KILL:when={k}" for name in CALLS
                    for k in points(first, total, name)]
        shutil.rmtree(scene.path)
        scenes = [(self.scene(), job) for job in jobs]
        with ThreadPoolExecutor(2) as pool:
            list(pool.map(lambda pair: self.one(prepare, check, env, *pair), scenes))
        print(f"{self.id().split('.')[-1]}: {len(jobs)} points", file=sys.stderr)
        self.assertGreater(len(jobs), 20)
        self.assertLessEqual(set(expect), self.statuses)

    def one(self, prepare, check, env, scene, job):
        args = prepare(scene)
        done = run(*args, env={**(env or {}), "SB_EVENTS": str(scene.events)}, inject=job)
        if "signal" not in job:
            self.assertIn(done.returncode, (0, 1), f"{job}: {done.stdout} {done.stderr}")
            if done.returncode == 1:
                said = re.search("(?m)^- ([a-z_]+): .", done.stdout.decode())
                self.assertIsNotNone(said, f"{job}: {done.stdout}")
                self.statuses.add(said[1])
        check(scene, job, done)
        shutil.rmtree(scene.path)

    # --- What is done -----------------------------------------------------------------------

    def stored(self, scene, what, done):
        objects, kept = self.whole(scene, what)
        self.assertIn(self.old, objects, what)
        self.assertTrue(self.original(scene, kept, what), what)
        if done.returncode == 0:
            self.assertEqual(kept, [done.stdout.decode().strip()], what)
        # Whoever was told is in the log, and every object has been told of (8).
        said = {line.split()[1] for line in scene.events.read_text().splitlines()
                if line.startswith("store-done ")} if scene.events.exists() else set()
        if kept and (done.returncode < 0 or "retval" in what or b"audit_failed" in done.stdout):
            return  # said to `whole`, which has no log; or the lie was about the log
        if kept:
            self.assertIn(kept[0], said, what)
        again = run(scene.dir, "store", scene.file)
        self.assertEqual(again.returncode, 0, f"{what}: {again.stdout}")
        if kept:
            self.assertEqual(again.stdout.decode().strip(), kept[0], what)

    def removed(self, scene, what, done):
        _, kept = self.whole(scene, what)
        there = self.original(scene, kept, what)
        if done.returncode == 0:
            self.assertFalse(there, what)

    def restored(self, scene, what, done):
        objects, _ = self.whole(scene, what)
        self.assertEqual(set(objects), {self.old}, what)
        names = os.listdir(scene.out)
        self.assertIn(names, ([], ["back"]), what)
        if names:
            self.assertEqual((scene.out / "back").read_bytes(), b"an older object", what)
            self.assertEqual((scene.out / "back").stat().st_mode & 0o7777, 0o600, what)
        if done.returncode == 0:
            self.assertEqual(names, ["back"], what)

    def deleted(self, scene, what, done):
        objects, _ = self.whole_or_keyless(scene, what)
        if done.returncode == 0:
            self.assertEqual(objects, {}, what)
        run(scene.dir, "delete", self.old)
        self.assertEqual(os.listdir(scene.dir / "objects"), [], what)
        self.assertEqual(run(scene.dir, "verify").returncode, 0, what)

    def whole_or_keyless(self, scene, what):
        """A failed deletion may leave an object without key or file, which verify then names."""
        done = run(scene.dir, "verify")
        if done.returncode != 0 and "signal" not in what:
            self.assertRegex(done.stdout, b"its key was destroyed|its file is missing", what)
            return {self.old: None}, []
        return self.whole(scene, what)

    def changed(self, scene, what, done):
        objects, _ = self.whole(scene, what)
        state = objects[self.old]["state"]
        self.assertIn(state, ("quarantined", "released"), what)
        if done.returncode == 0:
            self.assertEqual(state, "released", what)

    def rotated(self, scene, what, _done):
        self.whole(scene, what)
        self.assertEqual(run(scene.dir, "get", self.old).stdout, b"an older object", what)
        self.assertEqual(run(scene.dir, "rotate").returncode, 0, what)
        self.whole(scene, what)
        left = [p.name for p in scene.dir.iterdir() if p.name.startswith(".sb-")]
        self.assertLessEqual(len(left), 1, what)

    OPERATIONS = {
        "store": (lambda s, _: (s.dir, "store", s.file), "stored"),
        "remove": (lambda s, _: (s.dir, "remove", s.file), "removed"),
        "restore": (lambda s, old: (s.dir, "restore", old, s.out, "back"), "restored"),
        "delete": (lambda s, old: (s.dir, "delete", old), "deleted"),
        "release": (lambda s, old: (s.dir, "release", old), "changed"),
        "rotate": (lambda s, _: (s.dir, "rotate"), "rotated"),
    }

    def operation(self, name, **options):
        prepare, check = self.OPERATIONS[name]
        self.each(lambda scene: prepare(scene, self.old), getattr(self, check), **options)

    def test_store_killed(self):
        self.operation("store")

    def test_store_with_names_killed(self):
        self.operation("store", env={"SB_NAMED": "1"})

    def test_remove_killed(self):
        self.operation("remove")

    def test_restore_killed(self):
        self.operation("restore")

    def test_delete_killed(self):
        self.operation("delete")

    def test_release_killed(self):
        self.operation("release")

    def test_rotate_killed(self):
        self.operation("rotate")

    def test_store_fails(self):
        self.operation("store", errors=True,
                       expect={"store_failed", "storage_full", "io", "integrity_check_failed"})

    def test_remove_fails(self):
        self.operation("remove", errors=True)

    def test_restore_fails(self):
        self.operation("restore", errors=True, expect={"retrieve_failed", "storage_full"})

    def test_delete_fails(self):
        self.operation("delete", errors=True, expect={"delete_failed"})

    def test_release_fails(self):
        self.operation("release", errors=True)

    def test_purge_killed(self):
        def prepare(scene):
            run(scene.dir, "store", scene.file, env={"SB_EXPIRED": "1"})
            return scene.dir, "purge"

        def check(scene, what, _done):
            objects, _ = self.whole(scene, what)
            self.assertIn(self.old, objects, what)
            self.assertEqual(run(scene.dir, "purge").returncode, 0, what)
            self.assertEqual(set(self.whole(scene, what)[0]), {self.old}, what)

        self.each(prepare, check)

    def test_first_use_killed(self):
        """Folder, key and index are being made."""
        def prepare(scene):
            shutil.rmtree(scene.dir, ignore_errors=True)
            return scene.dir, "store", scene.file

        def check(scene, what, _done):
            done = run(scene.dir, "store", scene.file)
            self.assertEqual(done.returncode, 0, f"{what}: {done.stdout}")
            self.whole(scene, what)

        self.each(prepare, check)

    def test_short(self):
        """Reads and writes that do less than was asked, all the time."""
        for room in (1, 7, 1000, 4097):
            scene = self.scene()
            env = {"LD_PRELOAD": str(SHORT), "SB_SHORT": str(room)}
            for args in (("store", scene.file), ("restore", self.old, scene.out, "back"),
                         ("release", self.old), ("rotate",), ("verify",), ("delete", self.old)):
                done = run(scene.dir, *args, env=env)
                self.assertEqual(done.returncode, 0, f"{room} {args} {done.stdout}")
            _, kept = self.whole(scene, "short")
            self.assertEqual(run(scene.dir, "get", kept[0], env=env).stdout, TEXT)
            self.assertEqual((scene.out / "back").read_bytes(), b"an older object")

    def test_processes(self):
        """Several at once, some with the same contents: one object for each content."""
        scene = self.scene()
        with ThreadPoolExecutor(6) as pool:
            done = list(pool.map(lambda i: run(scene.dir, "many", 30, f"p{i // 2}"), range(6)))
        for one in done:
            self.assertEqual(one.returncode, 0, one.stdout)
        for i in range(0, 6, 2):
            self.assertEqual(done[i].stdout, done[i + 1].stdout)
        objects, _ = self.whole(scene, "processes")
        self.assertEqual(len(objects), 91)


if __name__ == "__main__":
    unittest.main()
