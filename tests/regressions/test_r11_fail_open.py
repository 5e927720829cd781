#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""R11: failing open was a Clean like any other, which policy could not tell apart.

`on_open: fail_open` never says clean: the entry stays an error that is marked, and what passes is
what other engines have judged, or what a rule on error_kind lets pass."""
import unittest

from regressions import CLEAN, Case, mock

FAILING = mock("failing", default="error:engine_unavailable", on_open="fail_open",
               retry={"attempts": 1}, breaker={"failure_threshold": 1})
ALLOW = {"rules": [{"id": "gap", "when": {"error_kind": "circuit_open"},
                    "then": {"action": "allow_with_warning"}}]}


class FailOpen(Case):
    def scans(self, *engines, **sections):
        """The report of the scan after the one that opened the breaker."""
        self.configure(FAILING, *engines, **sections)
        path = self.write("file", CLEAN)
        program = self.driver()
        first = self.entry(program.scan(f"path {path}"), "failing")
        self.assertEqual(first["error"]["kind"], "engine_unavailable")
        self.assertNotIn("fail_open", first)
        report = program.scan(f"path {path}")
        entry = self.entry(report, "failing")
        self.assertEqual((entry["outcome"], entry["error"]["kind"], entry["fail_open"]),
                         ("error", "circuit_open", True))
        self.assertEqual(program.ask("breaker failing")["fail_open"], 1)
        return report

    def test_alone(self):
        """R11: with nobody else left it is an error, which only a rule lets pass."""
        self.assert_outcome(self.scans(), "error", kind="circuit_open", action="block")
        report = self.scans(policy=ALLOW)
        self.assert_outcome(report, "error", kind="circuit_open", action="allow_with_warning")

    def test_beside_others(self):
        """R11: clean and infected are others' answers, and the gap is on record."""
        self.assert_outcome(self.scans(mock("other")), "clean")
        self.assert_outcome(self.scans(mock("other", default="infected:Test.Threat")), "infected")
        records = [record for record in self.verify_audit()
                   if record["event"] == "scan_completed" and record["outcome"] == "clean"]
        entry = [e for e in records[-1]["engines"] if e["engine"] == "failing"][0]
        self.assertEqual((entry["error"], entry["fail_open"]), ("circuit_open", True))


if __name__ == "__main__":
    unittest.main()
