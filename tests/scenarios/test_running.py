# SPDX-License-Identifier: MIT
"""While it runs: interrupts, deadlines, files that change, and how much memory it takes."""
import mmap
import os
import select
import shutil
import signal
import subprocess
import threading
import unittest

from support import harness
from support.harness import CLEAN, INFECTED, SCANBRIDGE, mock, needs

CEILING_KIB = 64 * 1024
# A sanitizer's shadow memory is no memory of ours.
SANITIZED = SCANBRIDGE.exists() and any(word in SCANBRIDGE.read_bytes()
                                        for word in (b"__asan_init", b"__tsan_init"))


class Interrupted(harness.Case):
    def test_interrupt_while_an_engine_hangs(self):
        for number in (signal.SIGINT, signal.SIGTERM):
            with self.subTest(number):
                self.write("in/a")
                self.write("in/b", b"other")
                self.configure(mock(default="hang"))
                with harness.FolderWatch(self.folder / "in", harness.FolderWatch.OPEN) as watch:
                    process = self.start("scan", "--json", "in")
                    watch.wait()
                process.send_signal(number)
                result = self.finish(process)
                self.assertEqual(result.status, 130, str(result))
                self.assertTrue(result.errors, "the summary is missing")
                for report in result.reports:
                    self.assert_outcome(report, "error", kind="cancelled", action="block")
        self.verify_audit()

    def test_deadline(self):
        self.write("a")
        self.configure(mock(default="hang"))
        result = self.scan("--timeout", "200ms", "a", status=2)
        self.assert_outcome(result.report, "error", kind="timeout", action="block")
        self.assertLessEqual(result.report["duration_ms"], 450)

    def test_an_engine_that_says_nothing_is_no_clean(self):
        self.write("a")
        for saying in ("silent", "partial"):
            with self.subTest(saying):
                self.configure(mock(default=saying))
                self.assert_outcome(self.scan("a", status=2).report, "error", action="block",
                                    engine="mock")

    def test_no_engine_at_all(self):
        self.write("a")
        self.config.write_text(f'{{"data_dir": "{self.data}", "engines": []}}')
        result = self.scan("a", status=2)
        if result.out:
            self.assert_outcome(result.report, "error", kind="not_configured", action="block")
        else:
            self.assertIn("engine", result.errors)

    def test_never_more_at_once_than_may_be(self):
        """However few that are, the command's own files are not turned away."""
        for number in range(300):
            self.write(f"in/{number}", b"%d" % number)
        for most in (1, 2, 3, 9):
            with self.subTest(most):
                self.configure(mock(), limits={"max_in_flight": most})
                result = self.scan("--jobs", "8", "in")
                self.assertEqual({report["outcome"] for report in result.reports}, {"clean"})
                self.assertEqual(len(result.reports), 300)

    def test_a_reader_that_leaves(self):
        for number in range(50):
            self.write(f"in/{number}", b"%d" % number)
        process = self.start("scan", "--json", "in")
        process.stdout.close()
        process.stdout = None
        self.assertIn(self.finish(process).status, (0, 2))


class Changing(harness.Case):
    """A clean answer holds for what the path leads to, or says that nobody can know."""

    def test_written_through_a_shared_mapping(self):
        size = 32 << 20  # larger than what is read into sealed memory
        path = self.write("file", b"\0" * size)
        self.configure(mock(latency="150ms"))
        stop = threading.Event()
        with open(path, "r+b") as file, mmap.mmap(file.fileno(), size) as view:
            def scribble():
                turn = 0
                while not stop.is_set():
                    turn += 1
                    view[size - 8:size] = turn.to_bytes(8, "big")
            writer = threading.Thread(target=scribble)
            writer.start()
            try:
                report = self.scan("file").report
            finally:
                stop.set()
                writer.join()
        self.assertFalse(report["cached"])
        if report["outcome"] == "clean":
            self.assertFalse(report["file"]["pinned"], report)
        else:
            self.assert_outcome(report, "error", kind="changed")

    def test_replaced_while_it_is_scanned(self):
        path = self.write("file", CLEAN)
        self.write("other", INFECTED)
        self.configure(mock(latency="300ms"))
        with harness.FolderWatch(self.folder, harness.FolderWatch.OPEN) as watch:
            process = self.start("scan", "--json", "file")
            while b"file" not in watch.wait():
                pass
            os.rename(self.folder / "other", path)
        report = self.finish(process).report
        if report["outcome"] == "clean":  # then it is what the path leads to now that is meant
            wanted = subprocess.run(["b3sum", path], capture_output=True, check=True)
            self.assertEqual(report["file"]["blake3"], wanted.stdout.split()[0].decode())
        else:
            self.assert_outcome(report, "error", kind="changed")

    def test_an_infected_file_stays_where_it_is(self):
        path = self.write("file", INFECTED)
        before = path.stat()
        self.configure(mock(default="infected:Test"))
        self.scan("file", status=1)
        after = path.stat()
        self.assertEqual(path.read_bytes(), INFECTED)
        self.assertEqual((before.st_ino, before.st_mtime_ns, before.st_mode),
                         (after.st_ino, after.st_mtime_ns, after.st_mode))


@needs(not SANITIZED, "a sanitizer needs memory of its own")
class Memory(harness.Case):
    def peak(self, *arguments):
        process = self.start("scan", "--json", *arguments, stdout=subprocess.DEVNULL,
                             stderr=subprocess.DEVNULL)
        status, peak = harness.peak_memory(process)
        self.assertEqual(status, 0)
        return peak

    def test_many_files(self):
        for number in range(20_000):
            self.write(f"in/{number % 100}/{number}", b"%d\n" % number)
        self.assertLess(self.peak("in"), CEILING_KIB)
        completed = sum(record["event"] == "scan_completed" for record in self.verify_audit())
        self.assertEqual(completed, 20_000)

    def test_one_very_large_file(self):
        size = 5 << 30
        if shutil.disk_usage(self.folder).free < size + (1 << 30):
            self.skipTest("a copy of 5 GiB would not fit")
        path = self.write("large")
        os.truncate(path, size)
        self.configure(mock(), limits={"max_size": "6GiB", "timeout": "300s"})
        with MemoryWatch() as watch:
            process = self.start("scan", "--json", "large")
            watch.follow(process)
            result = self.finish(process)
        self.assertEqual(result.status, 0, str(result))
        self.assert_outcome(result.report, "clean")
        self.assertEqual(result.report["file"]["size"], size)
        self.assertLess(watch.peak, CEILING_KIB)
        self.assertGreater(watch.looks, 3)


class MemoryWatch:
    """Anonymous and shared memory of a process, looked at again and again until it ends: a
    mapped file's page cache is not its memory, a memfd's pages are."""

    def __init__(self):
        self.peak = self.looks = 0

    def follow(self, process):
        handle = os.pidfd_open(process.pid)
        self._thread = threading.Thread(target=self._look, args=(process.pid, handle))
        self._thread.start()

    def _look(self, pid, handle):
        ended = select.poll()
        ended.register(handle, select.POLLIN)
        while not ended.poll(20):
            with open(f"/proc/{pid}/status", encoding="ascii") as status:
                fields = dict(line.split(":", 1) for line in status)
            self.peak = max(self.peak, sum(int(fields.get(key, "0 kB").split()[0])
                                           for key in ("RssAnon", "RssShmem")))
            self.looks += 1
        os.close(handle)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._thread.join()


if __name__ == "__main__":
    unittest.main()
