# SPDX-License-Identifier: MIT
"""The log before the verdict: several processes, kill -9, a full disk, a folder that is not ours."""
import contextlib
import hashlib
import json
import os
import random
import subprocess
import unittest

from support import harness
from support.harness import PATIENCE, mock


class Log(harness.Case):
    def test_one_chain_from_eight_processes(self):
        files = 40
        for number in range(files):
            self.write(f"in/{number}", b"%d" % number)
        self.configure(mock(latency="1ms"))
        processes = [self.start("scan", "--json", "in") for _ in range(8)]
        results = [self.finish(process) for process in processes]
        ids = set()
        for result in results:
            self.assertEqual(result.status, 0, str(result))
            self.assertEqual(len(result.reports), files)
            ids |= {report["id"] for report in result.reports}
        self.assertEqual(len(ids), 8 * files)
        records = self.verify_audit()
        self.assertEqual([r["seq"] for r in records],
                         list(range(records[0]["seq"], records[0]["seq"] + len(records))))
        completed = [r["scan_id"] for r in records if r["event"] == "scan_completed"]
        self.assertEqual(sorted(completed), sorted(ids))

    def test_anybody_can_check_it(self):
        """The chain as interface and any standard library have it."""
        self.write("a")
        self.scan("a", status=0)
        prev = None
        for line in (self.data / "audit.jsonl").read_bytes().splitlines():
            record = json.loads(line)
            self.assertEqual(list(record)[:5], ["seq", "time", "event", "prev", "hash"])
            bare = line.replace(b'"hash":"%s",' % record["hash"].encode(), b"", 1)
            self.assertEqual(hashlib.sha256(bare).hexdigest(), record["hash"])
            if prev:
                self.assertEqual(record["prev"], prev)
            prev = record["hash"]

    def test_an_altered_record_is_named(self):
        self.write("a")
        self.scan("a", status=0)
        log = self.data / "audit.jsonl"
        lines = log.read_bytes().splitlines(keepends=True)
        lines[1] = lines[1].replace(b'"source":"cli"', b'"source":"cIi"')
        log.write_bytes(b"".join(lines))
        result = self.run_program("audit", "verify")
        self.assertEqual(result.status, 1, str(result))
        self.assertRegex(result.text + result.errors, r"line 2|:2\b|record 2")

    def test_a_log_that_became_shorter_is_found_out(self):
        self.write("a")
        self.scan("a", status=0)
        log = self.data / "audit.jsonl"
        lines = log.read_bytes().splitlines(keepends=True)
        log.write_bytes(b"".join(lines[:-1]))
        self.assertEqual(self.run_program("audit", "verify").status, 1)

    def test_show(self):
        self.write("a")
        report = self.scan("a", status=0).report
        result = self.run_program("audit", "show")
        self.assertEqual(result.status, 0, str(result))
        self.assertIn("scan_completed", result.text)
        self.assertIn(report["id"], result.text)

    def test_modes_whatever_the_umask(self):
        self.write("a")
        old = os.umask(0)
        self.addCleanup(os.umask, old)
        self.scan("a", status=0)
        self.assertEqual(self.data.stat().st_mode & 0o777, 0o700)
        for path in self.data.rglob("*"):
            if path.is_file():
                self.assertEqual(path.stat().st_mode & 0o777, 0o600, path)


class Killed(harness.Case):
    def test_kill_9_at_any_moment(self):
        """Every kill leaves a log that the next start carries on; nothing shown is missing."""
        for number in range(60):
            self.write(f"in/{number}", b"%d" % number)
        self.configure(mock(latency="1ms"))
        rng, shown, recovered = random.Random(7), set(), 0
        for _ in range(25):
            process = self.start("scan", "--json", "--jobs", "2", "in")
            for _ in range(rng.randrange(0, 40)):
                line = process.stdout.readline()
                if not line:
                    break
                shown.add(json.loads(line)["id"])
            process.kill()
            process.wait()
            self.add_whole_lines(process.stdout.read(), shown)
            result = self.scan("in/0", status=0)
            recovered += "recover" in result.errors
        records = self.verify_audit()
        completed = {r["scan_id"] for r in records if r["event"] == "scan_completed"}
        self.assertEqual(shown - completed, set(), "shown, but not in the log")
        told = sum(r["event"] == "log_recovered" for r in records)
        self.assertEqual(told, recovered)

    @staticmethod
    def add_whole_lines(data, shown):
        for line in data.split(b"\n")[:-1]:
            shown.add(json.loads(line)["id"])

    def test_a_torn_tail_is_mended_and_told(self):
        self.write("a")
        self.scan("a", status=0)
        with open(self.data / "audit.jsonl", "ab") as log:
            log.write(b'{"seq":99,"time":"2026-')
        result = self.scan("a", status=0)
        self.assertRegex(result.errors, r"(?i)recover|torn|cut")
        self.assertIn("log_recovered", [r["event"] for r in self.verify_audit()])


class NoPlace(harness.Case):
    def test_a_data_directory_that_cannot_be_written(self):
        self.write("letter.txt")
        self.data.mkdir()
        self.write("elsewhere")
        result = self.as_nobody_with_data_of_root()
        self.assertEqual(result.status, 2, str(result))
        self.assertIn(str(self.data), result.errors)
        self.assertRegex(result.errors, r"--data-dir|data_dir")
        self.assertEqual(result.out, b"", "a verdict was released")

    def as_nobody_with_data_of_root(self):
        if os.geteuid() != 0:
            self.data.chmod(0o500)
            return self.run_program("scan", "--json", "letter.txt")
        self.folder.chmod(0o755)
        self.data.chmod(0o755)
        self.config.chmod(0o644)
        (self.folder / "letter.txt").chmod(0o644)
        return self.run_program("scan", "--json", "letter.txt", user=harness.NOBODY,
                                group=harness.NOBODY, extra_groups=[])

    def test_a_file_where_the_data_directory_should_be(self):
        self.write("letter.txt")
        self.write("data")
        result = self.scan("letter.txt", status=2)
        self.assertIn(str(self.data), result.errors)
        self.assertEqual(result.out, b"")

    def test_a_full_disk_releases_no_verdict(self):
        files = 3000
        for number in range(files):
            self.write(f"in/{number}", b"%d" % number)
        with self.tiny_disk("600k"):
            self.configure(mock(), audit={"reserve": "64KiB"})
            result = self.scan("in")
            logged = {json.loads(line).get("scan_id")
                      for log in self.data.glob("audit*.jsonl*")
                      for line in log.read_bytes().splitlines() if line.endswith(b"}")}
            released = [r for r in result.reports if r["outcome"] != "error"]
            self.assertLess(len(released), files, "the disk was not full")
            self.assertEqual(result.status, 2, result.errors[-2000:])
            for report in released:
                self.assertIn(report["id"], logged)
            refused = [r for r in result.reports if r["outcome"] == "error"]
            self.assertTrue(refused)
            for report in refused:
                self.assert_outcome(report, "error", kind="audit_failed", action="block")

    @contextlib.contextmanager
    def tiny_disk(self, size):
        self.data.mkdir()
        mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size},mode=0700",
                                  "tmpfs", self.data], capture_output=True, timeout=PATIENCE)
        if mounted.returncode != 0:
            self.skipTest("no file system may be mounted here")
        try:
            yield
        finally:
            subprocess.run(["umount", "-l", self.data], check=True, timeout=PATIENCE)

    def test_no_log_wanted(self):
        self.write("a")
        self.configure(mock(), audit={"enabled": False})
        report = self.scan("a", status=0).report
        self.assertIsNone(report["audit_seq"])
        self.assertFalse((self.data / "audit.jsonl").exists())


if __name__ == "__main__":
    unittest.main()
