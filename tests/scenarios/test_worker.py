# SPDX-License-Identifier: MIT
"""The sandboxed worker as a user meets it: what a hostile file can do to a scan, to the other
files, and to the machine. The tests' own worker misbehaves on command (src/worker/worker_hooks.c).
"""
import contextlib
import os
import pathlib
import select
import signal
import struct
import subprocess
import unittest

from support import harness
from support.harness import BUILD, CLEAN, PATIENCE, SCANBRIDGE, needs

HOOKS = BUILD / "src/worker/scanbridge-worker-hooks"
SANITIZED = SCANBRIDGE.exists() and b"__asan_init" in SCANBRIDGE.read_bytes()
RULE = """rule Needle { meta: severity = "high" strings: $a = "needle" condition: $a }
"""


def hook(word):
    return f"hook: {word}\n".encode()


def yara(**settings):
    return {"name": "yara", "type": "yara", "rules": "rules.yar"} | settings


def processes(name):
    """Every process of the machine by its short name: pid -> /proc/PID/status as a dict."""
    found = {}
    for folder in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            lines = (folder / "status").read_text().splitlines()
        except OSError:
            continue
        status = dict(line.split(":\t", 1) for line in lines if ":\t" in line)
        if status.get("Name") == name:
            found[int(folder.name)] = status
    return found


def descendants(of):
    """The processes below one, by pid."""
    parents = {}
    for folder in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            text = (folder / "stat").read_text()
        except OSError:
            continue
        parents[int(folder.name)] = int(text.rsplit(")", 1)[1].split()[1])
    below, more = set(), {of}
    while more:
        more = {pid for pid, parent in parents.items() if parent in more} - below
        below |= more
    return below


class WorkerCase(harness.Case):
    def setUp(self):
        super().setUp()
        self.write("rules.yar", RULE.encode())
        self.configure(yara(timeout="2s"))

    def environment(self):
        return super().environment() | {"SCANBRIDGE_WORKER": str(HOOKS)}

    def by_name(self, result):
        return {report["file"]["name"]: report for report in result.reports}


def program(entry):
    """A 64-bit ELF program of 400 bytes that begins at `entry`, where the text ENTRY stands."""
    head = struct.pack("<4sBBB9xHHIQQQIHHHHHH", b"\x7fELF", 2, 1, 1, 2, 62, 1, entry, 64, 0, 0, 64,
                       56, 1, 0, 0, 0)
    segment = struct.pack("<IIQQQQQQ", 1, 5, 0, 0, 0, 400, 400, 1)
    body = bytearray((head + segment).ljust(400, b"\0"))
    body[entry:entry + 5] = b"ENTRY"
    return bytes(body)


class Kept(WorkerCase):
    """One worker's scanner judges one content after another: nothing of the last one stays."""

    def test_each_program_has_its_own_entry_point(self):
        self.write("rules.yar", b'rule At_Entry { strings: $a = "ENTRY" '
                                b'condition: $a at entrypoint }')
        self.configure(yara(workers=1, concurrency=1))
        for entry in (150, 200, 300):
            self.write(f"in/{entry}", program(entry))
            self.write(f"in/{entry}-elsewhere", program(entry).replace(b"ENTRY", b"\0\0ENT"))
        reports = self.by_name(self.scan("in", status=1))
        for entry in (150, 200, 300):
            self.assert_outcome(reports[f"{entry}"], "infected")
            self.assert_outcome(reports[f"{entry}-elsewhere"], "clean")

    def test_conditions_read_content_that_has_no_string(self):
        """Content in which no string can be is not searched for strings; conditions see it all."""
        self.write("rules.yar", b"""
            rule Zeros { strings: $a = "needle" $b = /thread[0-9]+/
                         condition: uint32(filesize - 4) == 7 and not any of them }""")
        self.configure(yara(workers=1, concurrency=1))
        self.write("in/seven", bytes(5000) + b"\7\0\0\0")
        self.write("in/eight", bytes(5000) + b"\x08\0\0\0")
        self.write("in/needle", bytes(2000) + b"needle" + bytes(2000) + b"\7\0\0\0")
        reports = self.by_name(self.scan("in", status=1))
        self.assert_outcome(reports["seven"], "infected")
        self.assert_outcome(reports["eight"], "clean")
        self.assert_outcome(reports["needle"], "clean")


class Hostile(WorkerCase):
    @needs(not SANITIZED, "the sanitizers handle faults themselves")
    def test_each_bad_file_is_its_own_error_and_nobody_elses(self):
        """Crashes, hangs and escapes among a hundred honest files."""
        deeds = {"fault": "engine_crashed", "abort": "engine_crashed", "exit": "engine_crashed",
                 "fork": "engine_crashed", "socket": "engine_crashed", "exec": "engine_crashed",
                 "memory": "engine_crashed", "ptrace": "engine_crashed", "garbage":
                 "protocol_error", "ok": "protocol_error", "loop": "timeout", "stop": "timeout"}
        for word in deeds:
            self.write(f"in/bad-{word}", hook(word))
        for i in range(100):
            self.write(f"in/good-{i}", b"a needle\n" if i % 10 == 0 else CLEAN + bytes([i]))
        reports = self.by_name(self.scan("in", status=1))
        self.assertEqual(len(reports), 100 + len(deeds))
        for word, kind in deeds.items():
            report = reports[f"bad-{word}"]
            with self.subTest(word):
                self.assert_outcome(report, "error", kind=kind, engine="yara", action="block")
                self.assertLessEqual(report["duration_ms"], 2000 + 250)
        for i in range(100):
            self.assertEqual(reports[f"good-{i}"]["outcome"],
                             "infected" if i % 10 == 0 else "clean")
        self.verify_audit()

    def test_a_broken_sandbox_is_named(self):
        self.write("a", hook("socket"))
        report = self.scan("a", status=2).report
        self.assertIn("SIGSYS", report["error"]["message"])

    def test_a_crash_never_hides_another_engines_finding(self):
        self.configure(yara(), harness.mock(default="infected:Other"))
        self.write("a", hook("exit"))
        report = self.scan("a", status=1).report
        self.assert_outcome(report, "infected")
        self.assertEqual(report["engines"][0]["error"]["kind"], "engine_crashed")


class Processes(WorkerCase):
    def hang(self):
        """A scan whose worker does nothing any more; returns the process and its worker."""
        self.configure(yara(timeout="60s"))
        self.write("a", hook("stop"))
        process = self.start("scan", "--json", "a")
        while True:
            below = descendants(process.pid)
            for pid, status in processes("sb-worker").items():
                if pid in below and status.get("Seccomp") == "2":
                    return process, pid, status
            if process.poll() is not None:
                self.fail(str(self.finish(process)))
            os.sched_yield()  # there is no event that tells of another's child

    @needs(not SANITIZED, "sanitizers need a wider filter")
    def test_a_worker_is_nobody_and_may_nothing(self):
        process, _, status = self.hang()
        self.assertNotIn("0", status["Uid"].split())
        self.assertNotIn("0", status["Gid"].split())
        for name in ("CapInh", "CapPrm", "CapEff", "CapAmb"):
            self.assertEqual(int(status[name], 16), 0, name)
        self.assertEqual((status["NoNewPrivs"], status["Seccomp"]), ("1", "2"))
        process.send_signal(signal.SIGINT)
        self.assertEqual(self.finish(process).status, 130)

    def test_nothing_is_left_after_an_interrupt(self):
        process, _, _ = self.hang()
        below = descendants(process.pid)
        process.send_signal(signal.SIGINT)
        self.assertEqual(self.finish(process).status, 130)
        self.assert_gone(below)

    def test_nothing_is_left_after_kill_9(self):
        process, _, _ = self.hang()
        below = descendants(process.pid)
        process.kill()
        process.wait()
        self.assert_gone(below)

    def assert_gone(self, pids):
        handles = []
        for pid in pids:
            try:
                handles.append(os.pidfd_open(pid))
            except ProcessLookupError:
                continue
        for handle in handles:
            await_end(handle)
            os.close(handle)

    def test_a_killed_worker_is_an_error_and_no_more(self):
        """Killed from outside, as often as it is tried on a fresh worker."""
        process, _, _ = self.hang()
        while process.poll() is None:
            for pid in descendants(process.pid) & processes("sb-worker").keys():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        result = self.finish(process)
        self.assert_outcome(result.report, "error", kind="engine_crashed", engine="yara")


def await_end(handle):
    ready, _, _ = select.select([handle], [], [], PATIENCE)
    assert ready, "a process is left"


class Host(unittest.TestCase):
    def test_a_host_with_children_of_its_own_notices_nothing(self):
        """64 threads, 200 children, a SIGCHLD handler that reaps: examples/host_with_children."""
        program = BUILD / "examples/host_with_children"
        if not program.exists():
            self.skipTest("the examples are not built")
        with harness.tempfile.TemporaryDirectory() as folder:
            rules, file = pathlib.Path(folder, "r.yar"), pathlib.Path(folder, "f")
            rules.write_text(RULE)
            file.write_bytes(CLEAN)
            done = subprocess.run([program, rules, file, f"{folder}/data"], capture_output=True,
                                  text=True, timeout=PATIENCE)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertIn("1280 verdicts, 0 failures, 200 of 200 children reaped, 0 strangers",
                      done.stdout)


class Settings(WorkerCase):
    def test_isolation_none_still_judges(self):
        self.configure(yara(isolation="none"))
        self.write("a", b"a needle\n")
        self.assert_outcome(self.scan("a", status=1).report, "infected")

    def test_a_worker_that_is_missing_is_named(self):
        self.write("a")
        result = self.run_program("scan", "a",
                                  env=self.environment() | {"SCANBRIDGE_WORKER": "/nowhere/x"})
        # The build's own is found instead: a wrong override is no way to run without sandbox.
        self.assertEqual(result.status, 0, str(result))

    def test_a_worker_that_others_could_write_is_not_started(self):
        self.write("a")
        worker = self.write("worker", b"#!/bin/sh\n")
        worker.chmod(0o777)
        result = self.run_program("scan", "a",
                                  env=self.environment() | {"SCANBRIDGE_WORKER": str(worker)})
        self.assertEqual(result.status, 2, str(result))
        self.assertIn("can be written by other users", str(result))

    def test_recycle_one_judges_each_file_in_its_own_worker(self):
        self.configure(yara(recycle=1))
        for i in range(20):
            self.write(f"in/{i}", b"hay %d" % i)
        result = self.scan("in", status=0)
        self.assertEqual(len(result.reports), 20)

    def test_as_another_user(self):
        self.write("a", b"a needle\n")
        (self.folder / "worker").write_bytes(HOOKS.read_bytes())
        (self.folder / "worker").chmod(0o755)
        result = self.as_nobody("scan", "--json", "a", env=self.environment() | {
            "SCANBRIDGE_WORKER": str(self.folder / "worker")})
        self.assertEqual(result.status, 1, str(result))


if __name__ == "__main__":
    unittest.main()
