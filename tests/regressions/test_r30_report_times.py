#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""R30: total_duration was a sum over engines, requested_at was derived from it, and a suspicious
result lost its threats.

The duration is the time that passed; the time of the request is taken when it is accepted, before
any engine is asked; a suspicious report keeps its threats, with each engine's own."""
import datetime
import signal
import time
import unittest

from regressions import CLEAN, Case, mock
from support.harness import FolderWatch

LATENCY = 400  # milliseconds


def time_of(text):
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00"))


class Times(Case):
    def test_elapsed_and_no_sum(self):
        """R30: three engines side by side take as long as one of them."""
        engines = [mock(f"e{number}", latency=f"{LATENCY}ms") for number in range(3)]
        self.configure(*engines, cache={"enabled": False})
        path = self.write("file", CLEAN)
        for report in (self.scan(path, status=0).report, self.driver().scan(f"path {path}")):
            times = [entry["duration_ms"] for entry in report["engines"]]
            self.assertGreaterEqual(min(times), LATENCY)
            self.assertGreaterEqual(report["duration_ms"], max(times))
            self.assertLess(report["duration_ms"], sum(times))

    def test_the_request_comes_first(self):
        """R30: before the engines, and as long before the end as the report says."""
        self.configure(mock(latency=f"{LATENCY}ms"))
        before = datetime.datetime.now(datetime.timezone.utc)
        report = self.scan(self.write("file", CLEAN), status=0).report
        after = datetime.datetime.now(datetime.timezone.utc)
        requested, completed = time_of(report["requested_at"]), time_of(report["completed_at"])
        millisecond = datetime.timedelta(milliseconds=1)  # what a time in a report is cut to
        self.assertLessEqual(before - millisecond, requested)
        self.assertLessEqual(completed, after)
        self.assertGreaterEqual(completed - requested + millisecond,
                                datetime.timedelta(milliseconds=LATENCY))

    def test_recorded_before_the_engines_answer(self):
        """R30: the time of a request that takes a while stands in the log while it does."""
        self.configure(mock(default="hang", timeout="60s"))
        self.data.mkdir(0o700)
        with FolderWatch(self.data, FolderWatch.MODIFY | FolderWatch.CREATE) as watch:
            process = self.start("scan", "--json", str(self.write("file", CLEAN)))
            log = self.data / "audit.jsonl"
            while not (log.exists() and b"scan_started" in log.read_bytes()):
                watch.wait()
        self.assertIsNone(process.poll())
        seen = time.time_ns() // 1_000_000
        while time.time_ns() // 1_000_000 == seen:
            pass  # times are told in ms: the end falls into a later one
        process.send_signal(signal.SIGINT)
        report = self.finish(process).report
        started, = (record for record in self.verify_audit()
                    if record["event"] == "scan_started" and record["scan_id"] == report["id"])
        self.assertLess(time_of(started["time"]), time_of(report["completed_at"]))


class Suspicious(Case):
    def test_it_keeps_its_threats(self):
        """R30: all of them, with who said so, in report, log and quarantine."""
        self.configure(mock("one", default="suspicious:Odd.One"),
                       mock("two", default="suspicious:Odd.Two"), mock("three"))
        report = self.scan(self.write("file", CLEAN), status=1).report
        self.assert_outcome(report, "suspicious", action="require_manual_review")
        self.assertEqual([(t["name"], t["engines"]) for t in report["threats"]],
                         [("Odd.One", ["one"]), ("Odd.Two", ["two"])])
        self.assertEqual([t["name"] for t in self.entry(report, "two")["threats"]], ["Odd.Two"])
        completed, = (r for r in self.verify_audit() if r["event"] == "scan_completed")
        self.assertEqual([t["name"] for t in completed["threats"]], ["Odd.One", "Odd.Two"])
        kept, = self.objects()
        self.assertEqual([t["name"] for t in kept["threats"]], ["Odd.One", "Odd.Two"])


if __name__ == "__main__":
    unittest.main()
