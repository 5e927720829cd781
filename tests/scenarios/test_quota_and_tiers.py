# SPDX-License-Identifier: MIT
"""Quotas that several commands share, and engines that are asked only when others ask for more."""
import json
import os
import signal
import time
import unittest

from support import harness
from support.harness import CLEAN, mock


class Quotas(harness.Case):
    def files(self, count):
        for number in range(count):
            self.write(f"in/{number}", b"%d " % number + CLEAN)

    def limited(self, result):
        return sum(report["outcome"] == "error" for report in result.reports)

    def test_commands_share_it(self):
        self.configure(mock(quota={"per_minute": 7, "per_day": 20}, timeout="1s"))
        self.files(5)
        self.assertEqual(self.limited(self.scan("--no-cache", "in", status=0)), 0)
        result = self.scan("--no-cache", "in", status=2)
        self.assertEqual(self.limited(result), 3)
        for report in result.reports:
            if report["outcome"] == "error":
                self.assert_outcome(report, "error", kind="rate_limited", engine="mock",
                                    action="block")
                self.assertGreater(report["error"]["retry_after_ms"], 50000)
        engine, = self.run_program("engines", "--json").reports
        quota = engine["quota"]
        self.assertEqual((quota["per_minute"], quota["left_in_minute"]), (7, 0))
        self.assertEqual((quota["per_day"], quota["left_today"]), (20, 13))
        self.assertRegex(quota["day_ends"], r"T00:00:00\.000Z$")
        self.assertIn("mock: left of its quota: 0 of 7 in this minute, 13 of 20 today",
                      self.run_program("engines").text)
        # What is remembered needs no room: all five and no more were answered once.
        self.assertTrue(all(report["cached"] for report in self.scan("in", status=0).reports))

    def test_known_answer_tests_cost(self):
        self.configure(mock(quota={"per_day": 1}, self_test="eicar"))
        result = self.run_program("engines", "--check", "--json")
        self.assertEqual(result.status, 1)
        self.assertEqual(result.reports[0]["error"]["kind"], "rate_limited")

    def test_killed_commands(self):
        """Scans that are killed in the middle: together they never send more than allowed."""
        self.configure(mock(quota={"per_day": 30}, timeout="1s", latency="20ms", concurrency=1))
        self.files(40)
        for _ in range(4):
            process = self.start("scan", "--no-cache", "--json", "in")
            give_up = time.monotonic() + harness.PATIENCE
            while not (self.data / "quota.mock").exists() and time.monotonic() < give_up:
                os.sched_yield()
            process.send_signal(signal.SIGKILL)
            process.communicate()
        result = self.scan("--no-cache", "in", status=2)
        left, = (engine["quota"]["left_today"]
                 for engine in self.run_program("engines", "--json").reports)
        self.assertEqual(left, 0)
        answered = [record for record in self.verify_audit() if record["event"] == "scan_completed"
                    and record["outcome"] == "clean"]
        self.assertLessEqual(len(answered), 30)
        self.assertGreaterEqual(self.limited(result), 10)

    def test_a_damaged_account_is_told(self):
        self.configure(mock(quota={"per_day": 30}, timeout="1s"))
        self.files(1)
        self.scan("--no-cache", "in", status=0)
        path = self.data / "quota.mock"
        self.assertEqual(path.stat().st_mode & 0o7777, 0o600)
        path.write_bytes(b"nonsense")
        result = self.scan("--no-cache", "in", status=2)
        self.assertIn("the quota of engine mock: quota.mock in the data directory is damaged",
                      result.errors)
        self.assertIn("quota", [record.get("what") for record in self.verify_audit()])
        path.unlink()
        self.scan("--no-cache", "in", status=0)


class Tiers(harness.Case):
    def tiers(self, first, **keys):
        self.configure(mock(default=first), mock("remote", default="infected:Far.Away", tier=2),
                       **keys)
        return self.scan(self.write("file", CLEAN), status=None)

    def test_who_was_not_asked_is_told(self):
        result = self.tiers("clean")
        self.assertEqual(result.status, 0)
        entry = result.report["engines"][1]
        self.assertEqual((entry["engine"], entry["outcome"], entry["abstained"],
                          entry["not_asked"], entry["coverage"]["state"], entry["error"]["kind"]),
                         ("remote", "error", True, True, "none", "cancelled"))
        self.assertIn("of tier 2", entry["error"]["message"])
        self.assertIn("remote was not asked", result.report["explanation"])
        record, = (r for r in self.verify_audit() if r["event"] == "scan_completed")
        self.assertEqual([e.get("not_asked", False) for e in record["engines"]], [False, True])

    def test_a_doubt_asks_it(self):
        result = self.tiers("suspicious:Odd")
        self.assert_outcome(result.report, "infected")
        self.assertNotIn("not_asked", result.report["engines"][1])

    def test_policy_sees_no_failure(self):
        """Rules on engines with errors pass by one that was not asked, now and in replays."""
        rules = [{"id": "far", "priority": 5, "when": {"engine": "remote"}, "then": "block"}]
        result = self.tiers("clean", policy={"preset": "default", "rules": rules})
        self.assert_outcome(result.report, "clean", action="allow")
        self.write("report.json", json.dumps(result.report).encode())
        explained = self.run_program("policy", "explain", "report.json")
        self.assertRegex(explained.text, r"rule far .*: does not match")
        self.write("candidate.yaml", json.dumps({"preset": "default", "rules": rules}).encode())
        replay = self.run_program("policy", "replay", "--policy", "candidate.yaml")
        self.assertEqual(replay.status, 0, replay)

    def test_everybody_is_recorded_by_the_decision(self):
        self.configure(mock(), mock("remote", tier=2), decision={"next_tier": "unless_infected"})
        report = self.scan(self.write("file", CLEAN), status=0).report
        self.assertEqual([e["outcome"] for e in report["engines"]], ["clean", "clean"])


if __name__ == "__main__":
    unittest.main()
