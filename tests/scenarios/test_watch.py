# SPDX-License-Identifier: MIT
"""`watch`: whatever arrives in a folder gets its verdict, once, in spite of races, overflows,
restarts, kills and engines that are down."""
import collections
import json
import os
import pathlib
import queue
import random
import re
import shutil
import signal
import socket
import subprocess
import threading
import time
import unittest

from support import harness
from support.harness import CLEAN, INFECTED, PATIENCE, SCANBRIDGE, mock, needs

CEILING_KIB = 64 * 1024
SANITIZED = SCANBRIDGE.exists() and any(word in SCANBRIDGE.read_bytes()
                                        for word in (b"__asan_init", b"__tsan_init"))
MANY = 2_000
# The kernel holds so many events for us; two of them for every file that is written.
QUEUE = int(pathlib.Path("/proc/sys/fs/inotify/max_queued_events").read_text(encoding="ascii"))
DELETE = 0x200  # IN_DELETE


def blake3(data):
    return subprocess.run(["b3sum", "--no-names"], input=data, capture_output=True,
                          check=True).stdout.split()[0].decode()


class Watcher:
    """A running `watch --json`: reports as they come, and what it says on standard error."""

    def __init__(self, process):
        self.process = process
        self.reports, self.said = collections.defaultdict(list), []
        self._news = queue.Queue()
        self._threads = [threading.Thread(target=self._follow, args=args, daemon=True)
                         for args in ((process.stdout, "out"), (process.stderr, "err"))]
        for thread in self._threads:
            thread.start()

    def _follow(self, stream, name):
        for line in stream:
            self._news.put((name, line))
        self._news.put((name, None))

    def _take(self, name, line):
        if name == "err":
            self.said.append(line.decode("utf-8", "replace"))
        else:
            report = json.loads(line)
            self.reports[report["file"]["path"]].append(report)

    def until(self, holds, what):
        """Wait until something holds, looking again after every line."""
        deadline = time.monotonic() + PATIENCE
        while not holds():
            try:
                name, line = self._news.get(timeout=max(0, deadline - time.monotonic()))
            except queue.Empty:
                raise AssertionError(f"{what} did not happen: {self}") from None
            if line is None and name == "out":
                raise AssertionError(f"ended before {what}: {self}")
            if line is not None:
                self._take(name, line)

    def ready(self):
        self.until(lambda: any(line.startswith("watching") for line in self.said), "watching")
        return self

    def hears(self, text):
        self.until(lambda: any(text in line for line in self.said), repr(text))

    def sees(self, *paths, times=1):
        """Wait for this many reports of each; returns the last one of the last path."""
        for path in paths:
            self.until(lambda: len(self.reports[path]) >= times, f"{times} reports of {path}")
        return self.reports[paths[-1]][-1]

    def end(self, number=signal.SIGTERM):
        """The status; all that was said is there afterwards."""
        self.process.send_signal(number)
        status = self.process.wait(PATIENCE)
        for thread in self._threads:
            thread.join(PATIENCE)
        while not self._news.empty():
            name, line = self._news.get()
            if line is not None:
                self._take(name, line)
        return status

    @property
    def count(self):
        return {path: len(reports) for path, reports in self.reports.items() if reports}

    def __str__(self):
        return f"reports {self.count}\n{''.join(self.said)}"


class Case(harness.Case):
    def setUp(self):
        super().setUp()
        (self.folder / "in").mkdir()

    def watch(self, *arguments, **options):
        return Watcher(self.start("watch", "--json", *arguments, **options))

    def judged(self):
        """How often each path has an outcome in the audit log, which is whole."""
        return collections.Counter(record["path"] for record in self.verify_audit()
                                   if record["event"] == "scan_completed")

    def move_in(self, name, data=CLEAN):
        """As whoever wants no half files to be seen does it."""
        source = self.write(f"made/{os.path.basename(name)}", data)
        os.rename(source, self.folder / name)


class Arrivals(Case):
    def test_there_before_and_during(self):
        self.write("in/old")
        self.write("in/deep/er/old")
        watcher = self.watch("in").ready()
        watcher.sees("in/old", "in/deep/er/old")
        self.write("in/new")
        self.write("in/deep/er/new")
        self.move_in("in/moved")
        os.link(self.write("elsewhere"), self.folder / "in/linked")
        report = watcher.sees("in/new", "in/deep/er/new", "in/moved", "in/linked")
        self.assert_outcome(report, "clean", action="allow")
        self.assertEqual(report["context"]["source"], "watch")
        self.assertEqual(watcher.end(), 0, str(watcher))
        self.assertEqual(set(watcher.count.values()), {1}, str(watcher))
        self.assertEqual(self.judged(), watcher.count)

    def test_new_folders_with_files_at_once(self):
        watcher = self.watch("in").ready()
        names = []
        for number in range(40):
            folder = f"in/{number}" + "/sub" * (number % 5)
            names += [f"{folder}/first", f"{folder}/second"]
            for name in names[-2:]:
                self.write(name)
        for number in range(10):
            self.write(f"made/{number}/a/b/file")
            os.rename(self.folder / f"made/{number}", self.folder / f"in/moved{number}")
            names.append(f"in/moved{number}/a/b/file")
        watcher.sees(*names)
        watcher.end()
        self.assertEqual(set(watcher.count), set(names))

    def test_many_at_once(self):
        watcher = self.watch("in").ready()
        names = [f"in/{number}" for number in range(MANY)]
        for name in names:
            self.write(name, name.encode())
        watcher.sees(*names)
        self.assertEqual(watcher.end(), 0)
        self.assertEqual(set(watcher.count), set(names))
        self.assertEqual(set(self.judged()), set(names))

    def test_written_to_for_a_while(self):
        watcher = self.watch("in").ready()
        with open(self.folder / "in/growing", "wb") as file:
            for number in range(5):
                file.write(b"x" * 1000)
                file.flush()
                self.write(f"in/beside{number}")
                watcher.sees(f"in/beside{number}")
            self.assertNotIn("in/growing", watcher.count)
        self.assertEqual(watcher.sees("in/growing")["file"]["size"], 5000)
        self.write("in/growing", b"other")  # a change is judged again
        self.assertEqual(watcher.sees("in/growing", times=2)["file"]["size"], 5)
        watcher.end()

    def test_open_before_it_starts(self):
        with open(self.folder / "in/open", "wb") as file:
            file.write(b"half")
            file.flush()
            watcher = self.watch("in").ready()
            self.write("in/other")
            watcher.sees("in/other")
            self.assertNotIn("in/open", watcher.count)
            file.write(b" and whole")
        self.assertEqual(watcher.sees("in/open")["file"]["size"], 14)
        watcher.end()

    def test_renames_and_links_do_not_go_round(self):
        self.write("in/a")
        watcher = self.watch("in").ready()
        watcher.sees("in/a")
        os.rename(self.folder / "in/a", self.folder / "in/b")
        watcher.sees("in/b")
        os.link(self.folder / "in/b", self.folder / "in/c")
        watcher.sees("in/c")
        os.symlink("b", self.folder / "in/link")
        self.write("in/last")
        watcher.sees("in/last")
        watcher.end()
        self.assertEqual(set(watcher.count), {"in/a", "in/b", "in/c", "in/last"})
        # A link changes the file's dates: once more, if it comes just as the verdict does.
        self.assertLessEqual(max(watcher.count.values()), 2)

    def test_left_out(self):
        os.mkfifo(self.folder / "in/fifo")
        os.symlink("/etc/passwd", self.folder / "in/link")
        os.symlink("/etc", self.folder / "in/folder")
        self.write("in/.part.1")
        self.data = self.folder / "in/data"
        self.configure()
        watcher = self.watch("--exclude", "*.part.*", "--exclude", "no/", "in").ready()
        os.mkfifo(self.folder / "in/fifo2")
        self.write("in/.part.2")
        self.write("in/no/file")
        self.write("in/data/other")
        os.rename(self.write("in/.part.3"), self.folder / "in/whole")
        watcher.sees("in/whole")
        self.assertEqual(watcher.end(), 0)
        self.assertEqual(watcher.count, {"in/whole": 1}, str(watcher))
        self.assertIn("2 symbolic links", "".join(watcher.said))

    def test_what_it_writes_itself(self):
        """A report into the folder would bring another one, and so on."""
        with open(self.folder / "in/reports", "wb") as reports:
            process = self.start("watch", "--json", "in", stdout=reports)
            process.stderr.readline()  # it is watching
            self.write("in/a")
            with harness.FolderWatch(self.folder / "in", harness.FolderWatch.MODIFY) as changes:
                while (self.folder / "in/reports").read_bytes().count(b"\n") < 1:
                    changes.wait()
        process.send_signal(signal.SIGTERM)
        self.finish(process)
        lines = (self.folder / "in/reports").read_bytes().splitlines()
        self.assertEqual([json.loads(line)["file"]["path"] for line in lines], ["in/a"])

    def test_vanished(self):
        watcher = self.watch("--settle", "1s", "in").ready()
        for number in range(3):
            os.unlink(self.write(f"in/gone{number}"))
        os.rename(self.write("in/.tmp"), self.folder / "in/stays")
        watcher.sees("in/stays")
        self.assertEqual(watcher.end(), 0)
        self.assertEqual(watcher.count, {"in/stays": 1})
        self.assertRegex("".join(watcher.said), r"vanished +3")


class Verdicts(Case):
    def test_lines_as_of_scan(self):
        self.configure(mock(default="infected:Test"))
        process = self.start("watch", "--quiet", "in")
        self.write("in/bad", INFECTED)
        self.assertRegex(process.stdout.readline(),
                         rb"^in/bad: infected Test \[mock\] -> quarantine \([0-9a-f]{32}\)\n$")
        process.send_signal(signal.SIGTERM)
        result = self.finish(process)
        self.assertEqual((result.status, result.errors), (0, ""))
        self.assertTrue((self.folder / "in/bad").exists())

    def test_what_is_removed_does_not_come_back(self):
        """Our own renames and removals in the folder are nobody's arrival."""
        self.configure(mock(default="infected:Test"))
        watcher = self.watch("--remove", "in").ready()
        for number in range(20):
            self.write(f"in/{number}", b"%d" % number)
        watcher.sees(*(f"in/{number}" for number in range(20)))
        self.write("in/last", b"last")
        watcher.sees("in/last")
        self.assertEqual(watcher.end(), 0)
        self.assertEqual(set(watcher.count.values()), {1})
        self.assertEqual(len(watcher.count), 21)
        self.assertEqual(os.listdir(self.folder / "in"), [])

    def test_signals(self):
        for number, status in ((signal.SIGTERM, 0), (signal.SIGINT, 130)):
            with self.subTest(number):
                self.write(f"in/{number}")
                watcher = self.watch("in").ready()
                watcher.sees(f"in/{number}")
                self.assertEqual(watcher.end(number), status)
                self.assertRegex("".join(watcher.said), r"files +1 ")
        self.verify_audit()

    def test_a_signal_lets_scans_end(self):
        self.configure(mock(latency="700ms"))
        self.write("in/slow")
        process = self.start("watch", "--json", "in")
        with harness.FolderWatch(self.folder / "in", harness.FolderWatch.OPEN) as opened:
            while b"slow" not in opened.wait():
                pass
        self.assertEqual(process.stderr.readline(), b"watching 1 folder\n")
        process.send_signal(signal.SIGTERM)
        result = self.finish(process)
        self.assertEqual(result.status, 0)
        if result.out:  # what had begun came to its end, nothing was cut short
            self.assert_outcome(result.report, "clean")

    def test_an_engine_that_hangs(self):
        self.configure(mock(default="hang"))
        self.write("in/a")
        with harness.FolderWatch(self.folder / "in", harness.FolderWatch.OPEN) as opened:
            watcher = self.watch("in").ready()
            while b"a\0" not in opened.wait():
                pass
        self.assertEqual(watcher.end(), 0)
        self.assertIn("Not judged: 1 file;", "".join(watcher.said))

    def test_a_reader_that_leaves(self):
        process = self.start("watch", "--json", "in")
        process.stderr.readline()
        process.stdout.close()
        process.stdout = None
        result = self.finish(process)
        self.assertEqual(result.status, 2, str(result))
        self.assertIn("standard output", result.errors)

    def test_the_service_manager_hears(self):
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
            manager.settimeout(PATIENCE)
            manager.bind(str(self.folder / "notify"))
            environment = self.environment() | {"NOTIFY_SOCKET": str(self.folder / "notify")}
            process = self.start("watch", "in", env=environment)
            self.assertEqual(manager.recv(100), b"READY=1")
            process.send_signal(signal.SIGTERM)
            self.assertEqual(manager.recv(100), b"STOPPING=1")
        self.assertEqual(self.finish(process).status, 0)

    def test_refusals(self):
        self.write("file")
        self.run_program("scan", "file")  # makes the data directory
        for words, said in ((("nowhere",), "nowhere: No such file"),
                            (("file",), "file: is no folder"),
                            (("-",), "no standard input"),
                            (("/proc",), "kernel"),
                            ((str(self.data),), "data directory"),
                            ((str(self.data / "spool"),), "data directory"),
                            ((), "argument is missing"),
                            (("--engine", "clamav", "in"), "watch: --engine"),
                            (("--settle", "5", "in"), "--settle"),
                            (("--file-list", "file", "in"), "--file-list")):
            with self.subTest(words):
                result = self.run_program("watch", *words)
                self.assertEqual(result.status, 2, str(result))
                self.assertIn(said, result.errors)


class Engines(Case):
    def test_down_and_up_again(self):
        self.configure(mock(schedule="xxx" + "." * 1000, retry={"attempts": 1}))
        watcher = self.watch("in").ready()
        names = [f"in/{number}" for number in range(5)]
        for name in names:
            self.write(name, name.encode())
        for name in names:
            watcher.until(lambda: any(report["outcome"] == "clean"
                                      for report in watcher.reports[name]), f"{name} clean")
        watcher.end()
        reports = [report["outcome"] for name in names for report in watcher.reports[name]]
        self.assertEqual(collections.Counter(reports), {"clean": 5, "error": 3})
        # All of it is judged now.
        watcher = self.watch("in").ready()
        self.write("in/last")
        watcher.sees("in/last")
        watcher.end()
        self.assertEqual(watcher.count, {"in/last": 1})

    def test_down_at_the_end(self):
        """What could not be judged is pending, also over a restart."""
        self.configure(mock(default="error:engine_unavailable"))
        self.write("in/a")
        watcher = self.watch("in").ready()
        self.assert_outcome(watcher.sees("in/a"), "error", action="block")
        watcher.end()
        self.assertIn("Not judged: 1 file;", "".join(watcher.said))
        self.configure(mock())
        watcher = self.watch("in")
        self.assert_outcome(watcher.sees("in/a"), "clean")
        watcher.end()

    def test_what_is_so_for_good_is_judged_once(self):
        self.write("in/large", b"x" * 5000)
        for times in (1, 0):
            watcher = self.watch("--max-size", "1KiB", "in").ready()
            self.write(f"in/other{times}")
            watcher.sees(f"in/other{times}")
            watcher.end()
            self.assertEqual(len(watcher.reports["in/large"]), times)


class OtherUsers(Case):
    @needs(os.geteuid() == 0, "needs a second user")
    def test_what_may_not_be_read(self):
        """It is told, it holds up nothing else, and it is judged once it may be."""
        self.write("in/closed/a")
        self.write("in/unreadable")
        for name in ("closed", "unreadable"):
            os.chmod(self.folder / "in" / name, 0)
        os.chown(self.folder, harness.NOBODY, harness.NOBODY)
        watcher = self.watch("in", user=harness.NOBODY, group=harness.NOBODY, extra_groups=[])
        watcher.ready()
        self.write("in/open")
        self.assert_outcome(watcher.sees("in/open"), "clean")
        watcher.hears("in/closed: could not be opened: Permission denied")
        self.assert_outcome(watcher.sees("in/unreadable"), "error", kind="io", action="block")
        os.chmod(self.folder / "in/unreadable", 0o644)
        os.chmod(self.folder / "in/closed", 0o755)
        watcher.sees("in/closed/a")
        watcher.until(lambda: watcher.reports["in/unreadable"][-1]["outcome"] == "clean", "clean")
        self.assertEqual(watcher.end(), 0)


class Restarts(Case):
    def begin(self, *expected, status=0, arguments=("in",)):
        """Run until the expected files and a new one were judged; what else was is returned."""
        self.turn = getattr(self, "turn", 0) + 1
        watcher = self.watch(*arguments).ready()
        self.write(f"in/turn{self.turn}", b"%d" % self.turn)
        watcher.sees(f"in/turn{self.turn}", *expected)
        self.assertEqual(watcher.end(), status, str(watcher))
        self.said = "".join(watcher.said)
        return set(watcher.count) - {f"in/turn{self.turn}"}

    def test_only_what_changed(self):
        for number in range(4):
            self.write(f"in/{number}")
        names = [f"in/{number}" for number in range(4)]
        self.assertEqual(self.begin(*names), set(names))
        self.assertEqual(self.begin(), set())
        self.assertRegex(self.said, r"unchanged +5 +judged before")
        self.write("in/0", b"another")
        os.utime(self.folder / "in/1")
        self.move_in("in/2", b"the third")
        self.assertEqual(self.begin("in/0", "in/1", "in/2"), {"in/0", "in/1", "in/2"})
        # Size and time of the last change of content can be set by anybody.
        before = os.stat(self.folder / "in/3")
        self.write("in/3", CLEAN[::-1])
        os.utime(self.folder / "in/3", ns=(before.st_atime_ns, before.st_mtime_ns))
        self.assertEqual(self.begin("in/3"), {"in/3"})
        self.assertEqual(self.begin(), set())

    def test_another_configuration(self):
        self.write("in/a")
        self.assertEqual(self.begin("in/a"), {"in/a"})
        self.assertEqual(self.begin("in/a", "in/turn1", arguments=("--policy", "strict", "in")),
                         {"in/a", "in/turn1"})
        self.configure(mock(), policy={"preset": "strict"})
        self.assertEqual(self.begin(), set())
        self.configure(mock("another"))
        self.assertLessEqual({"in/a"}, self.begin("in/a"))

    def rows(self):
        done = subprocess.run(
            ["python3", "-c", "import sqlite3, sys; print(*sorted(row[0].decode() for row in "
             "sqlite3.connect(sys.argv[1]).execute('SELECT path FROM files')), sep='\\n')",
             self.data / "watch.sqlite"], capture_output=True, text=True, check=True)
        return [str(pathlib.Path(line).relative_to(self.folder))
                for line in done.stdout.split()]

    def test_no_more_than_there_is(self):
        for number in range(700):
            self.write(f"in/many/{number}")
        self.write("in/a")
        names = [f"in/many/{number}" for number in range(700)]
        self.begin("in/a", *names)
        self.assertEqual(len(self.rows()), 702)
        shutil.rmtree(self.folder / "in/many")  # while nobody watches
        os.unlink(self.folder / "in/turn1")
        self.begin()
        self.assertEqual(self.rows(), ["in/a", "in/turn2"])
        watcher = self.watch("in").ready()
        os.unlink(self.folder / "in/a")
        os.rename(self.folder / "in/turn2", self.folder / "in/b")
        self.write("in/c")
        watcher.sees("in/b", "in/c")
        watcher.end()
        self.assertEqual(self.rows(), ["in/b", "in/c"])

    def test_a_damaged_state(self):
        self.write("in/a")
        self.begin("in/a")
        (self.data / "watch.sqlite").write_bytes(b"no database at all " * 500)
        for suffix in ("-wal", "-shm"):
            (self.data / f"watch.sqlite{suffix}").unlink(missing_ok=True)
        self.assertEqual(self.begin("in/a", "in/turn1"), {"in/a", "in/turn1"})
        self.assertIn("made anew", self.said)
        self.assertEqual(self.begin(), set())

    def test_killed_at_any_moment(self):
        rolls = random.Random(20)
        names = []
        for turn in range(8):
            process = self.start("watch", "--json", "in", stdout=subprocess.PIPE,
                                 stderr=subprocess.DEVNULL)
            stop_at = rolls.randrange(1, 40)
            writer = threading.Thread(target=lambda turn=turn: [
                self.write(f"in/{turn}/{number}", b"%d %d" % (turn, number))
                for number in range(60)])
            names += [f"in/{turn}/{number}" for number in range(60)]
            writer.start()
            for _ in range(stop_at):
                process.stdout.readline()
            process.kill()
            process.wait()
            writer.join()
        watcher = self.watch("in").ready()
        self.write("in/last")
        watcher.sees("in/last")
        judged = self.judged()
        watcher.until(lambda: set(names) <= set(judged) | set(watcher.count), "all of them")
        self.assertEqual(watcher.end(), 0)
        judged = self.judged()
        self.assertEqual(set(judged) - {"in/last"}, set(names))
        # Again: judged, and killed before that was noted; so once in each of nine runs at most.
        # A file that was seen while it was being written has had two contents.
        contents = collections.Counter((record["path"], record["file_hash_blake3"])
                                       for record in self.verify_audit()
                                       if record["event"] == "scan_completed")
        self.assertLessEqual(max(contents.values()), 9)
        self.assertEqual(self.begin(), set())


class Folders(Case):
    def test_deleted_and_made_again(self):
        self.write("in/a")
        watcher = self.watch("in").ready()
        watcher.sees("in/a")
        shutil.rmtree(self.folder / "in")
        watcher.hears("in: is gone")
        self.write("in/b")
        watcher.hears("in: is here again")
        self.write("in/c")
        watcher.sees("in/b", "in/c")
        self.assertEqual(watcher.end(), 0)

    def test_moved_away_and_back(self):
        self.write("in/sub/a")
        watcher = self.watch("in").ready()
        watcher.sees("in/sub/a")
        os.rename(self.folder / "in", self.folder / "out")
        watcher.hears("in: is gone")
        self.write("out/b")  # none of ours any more
        os.rename(self.folder / "out", self.folder / "in")
        watcher.hears("in: is here again")
        watcher.sees("in/b")
        self.write("in/sub/c")
        watcher.sees("in/sub/c")
        watcher.end()
        self.assertEqual(set(watcher.count), {"in/sub/a", "in/b", "in/sub/c"})

    def test_folders_inside_move_and_go(self):
        self.write("in/x/y/a")
        watcher = self.watch("in").ready()
        watcher.sees("in/x/y/a")
        os.rename(self.folder / "in/x", self.folder / "in/z")
        watcher.sees("in/z/y/a")
        self.write("in/z/y/b")
        watcher.sees("in/z/y/b")
        os.rename(self.folder / "in/z", self.folder / "out")
        self.write("out/y/c")
        self.write("in/x/y/d")
        watcher.sees("in/x/y/d")
        shutil.rmtree(self.folder / "in/x")
        self.write("in/x/e")
        watcher.sees("in/x/e")
        watcher.end()
        self.assertNotIn("out/y/c", watcher.count)

    def test_several_and_one_in_the_other(self):
        self.write("in/sub/a")
        self.write("two/b")
        os.symlink("two", self.folder / "link")
        watcher = self.watch("in/sub", "in/", "link").ready()
        watcher.sees("in/sub/a", "link/b")
        self.write("in/sub/c")
        self.write("in/d")
        watcher.sees("in/sub/c", "in/d")
        watcher.end()
        self.assertEqual(set(watcher.count.values()), {1}, str(watcher))

    def mount(self, *words):
        return subprocess.run(words, capture_output=True, cwd=self.folder).returncode == 0

    def unmount(self, name):
        """Nothing keeps it busy, once the last scan has closed its file."""
        deadline = time.monotonic() + PATIENCE
        while not self.mount("umount", name):
            self.assertLess(time.monotonic(), deadline, "it keeps the file system busy")

    @needs(os.geteuid() == 0, "mounts need root")
    def test_a_mount_inside(self):
        self.write("in/sub/hidden")
        watcher = self.watch("in").ready()
        watcher.sees("in/sub/hidden")
        if not self.mount("mount", "-t", "tmpfs", "tmpfs", "in/sub"):
            self.skipTest("mounts are not allowed here")
        self.addCleanup(self.mount, "umount", "-l", "in/sub")
        self.write("in/sub/a")
        watcher.sees("in/sub/a")
        self.write("in/sub/b")
        watcher.sees("in/sub/b")
        self.unmount("in/sub")
        self.write("in/sub/c")
        watcher.sees("in/sub/c")
        watcher.end()
        # What was hidden may be judged again: it was gone for a while.
        self.assertEqual({path for path, count in watcher.count.items() if count > 1}
                         - {"in/sub/hidden"}, set(), str(watcher))

    @needs(os.geteuid() == 0, "mounts need root")
    def test_unmounted_and_mounted_again(self):
        if not self.mount("mount", "-t", "tmpfs", "tmpfs", "in"):
            self.skipTest("mounts are not allowed here")
        self.addCleanup(self.mount, "umount", "-l", "in")
        self.write("in/a")
        watcher = self.watch("in").ready()
        watcher.sees("in/a")
        self.unmount("in")
        watcher.hears("in: is gone")
        watcher.hears("in: is here again")  # the folder below
        self.write("in/below")
        watcher.sees("in/below")
        self.assertTrue(self.mount("mount", "-t", "tmpfs", "tmpfs", "in"))
        watcher.until(lambda: sum("here again" in line for line in watcher.said) == 2, "mounted")
        self.write("in/above")
        watcher.sees("in/above")
        watcher.end()

    @needs(os.geteuid() == 0, "needs a second user")
    def test_no_watches_left(self):
        """In a namespace of its own, whose limit it may set."""
        for number in range(30):
            self.write(f"in/{number}/file")
        script = ("echo 10 > /proc/sys/user/max_inotify_watches && exec \"$@\"")
        line = [SCANBRIDGE, "--config", self.config, "watch", "in"]
        done = subprocess.run(
            ["unshare", "--user", "--map-root-user", "sh", "-c", script, "sh", *line],
            capture_output=True, cwd=self.folder, env=self.environment(), timeout=PATIENCE)
        if b"unshare" in done.stderr or b"max_inotify_watches" in done.stderr:
            self.skipTest("no namespaces here")
        self.assertEqual(done.returncode, 2, done)
        self.assertIn(b"fs.inotify.max_user_watches", done.stderr)


class Example(Case):
    """examples/drop-folder.md, with other folders."""

    @needs(shutil.which("jq"), "no jq here")
    def test_what_is_allowed_goes_on(self):
        text = (harness.ROOT / "examples/drop-folder.md").read_text()
        script = re.findall(r"^```sh\n(#!.*?)^```", text, re.M | re.S)[0]
        self.configure(mock(responses=[f"{blake3(INFECTED)}=infected:Test"]))
        (self.folder / "checked").mkdir()
        (self.folder / "bin").mkdir()
        (self.folder / "bin/scanbridge").symlink_to(SCANBRIDGE)
        script = script.replace("/srv/incoming", f"{self.folder}/in").replace(
            "/srv", str(self.folder))
        secret = self.write("secret", b"not to be touched")
        trap = f"in/x\n{blake3(b'not to be touched')}  "
        self.write(f"{trap}{self.folder}/secret")
        environment = self.environment() | {
            "PATH": f"{self.folder}/bin:{os.environ['PATH']}",
            "SCANBRIDGE_CONFIG": str(self.config)}
        process = subprocess.Popen(["sh", "-c", script], env=environment, cwd=self.folder,
                                   stderr=subprocess.DEVNULL, start_new_session=True)
        self.addCleanup(process.wait)
        self.addCleanup(os.killpg, process.pid, signal.SIGTERM)
        with harness.FolderWatch(self.folder / "checked", harness.FolderWatch.CREATE) as made:
            self.write("in/bad", INFECTED)
            self.write("in/good file")
            while not (self.folder / "checked/good file").exists():
                made.wait()
        with harness.FolderWatch(self.folder / "in", DELETE) as gone:
            while (self.folder / "in/good file").exists():
                gone.wait()
        self.assertTrue(secret.exists() and (self.folder / "in/bad").exists())
        self.assertEqual([path.name for path in (self.folder / "checked").iterdir()
                          if not path.name.startswith(".new")], ["good file"])


class Masses(Case):
    def test_lost_events(self):
        """More happens while it stands still than the kernel remembers."""
        count = QUEUE // 2 + 2_000
        if count > 60_000:
            self.skipTest("the kernel's queue is very long")
        watcher = self.watch("in").ready()
        os.kill(watcher.process.pid, signal.SIGSTOP)
        os.waitid(os.P_PID, watcher.process.pid, os.WSTOPPED | os.WNOWAIT)
        names = [f"in/{number}" for number in range(count)]
        for name in names:
            with open(self.folder / name, "wb") as file:
                file.write(name.encode())
        self.write("in/behind/it")
        os.kill(watcher.process.pid, signal.SIGCONT)
        watcher.hears("looking through everything again")
        watcher.sees("in/behind/it", *names)
        self.write("in/behind/it all")
        watcher.sees("in/behind/it all")
        self.assertEqual(watcher.end(), 0)
        self.assertEqual(max(watcher.count.values()), 1)

    @needs(not SANITIZED, "takes long with a sanitizer")
    def test_more_than_can_be_pending(self):
        """32,768 files are; those that find no room are found again when there is some. (On a
        machine that makes files slowly there is room for all.)"""
        watcher = self.watch("--settle", "5s", "in").ready()
        names = [f"in/{number}" for number in range(34_000)]
        for name in names:
            with open(self.folder / name, "wb") as file:
                file.write(name.encode())
        watcher.sees(*names)
        self.assertEqual(watcher.end(), 0)
        self.assertEqual(set(watcher.count), set(names))

    @needs(not SANITIZED, "a sanitizer needs memory of its own")
    def test_memory(self):
        for number in range(10_000):
            self.write(f"in/{number % 100}/{number}", b"%d\n" % number)
        process = self.start("watch", "--json", "in", stderr=subprocess.DEVNULL)
        for _ in range(10_000):
            self.assertTrue(process.stdout.readline())
        # Of the program alone: what a child is charged with begins with what we are ourselves.
        status = pathlib.Path(f"/proc/{process.pid}/status").read_text(encoding="ascii")
        process.send_signal(signal.SIGTERM)
        self.assertEqual(self.finish(process).status, 0)
        peak = int(status.split("VmHWM:")[1].split()[0])
        self.assertLess(peak, CEILING_KIB)


if __name__ == "__main__":
    unittest.main()
