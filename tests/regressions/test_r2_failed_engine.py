#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""R2: a failed engine vanished from the report: one engine down and another's clean made clean.

A required engine that is down is an error of the scan; its entry stands in the report and in
the audit log whatever the outcome is."""
import unittest

from regressions import Case, clamav, mock


class FailedEngine(Case):
    def scan_with_dead_engine(self, role, status):
        dead = self.server.refusing_unix(f"{self.folder}/dead-{role}")
        self.configure(clamav(dead, role=role, retry={"attempts": 1}), mock())
        return self.scan(self.write("file"), status=status).report

    def last_scan_in_audit(self):
        return [record for record in self.verify_audit()
                if record["event"] == "scan_completed"][-1]

    def test_required(self):
        """R2: required engine down → error; policy blocks."""
        report = self.scan_with_dead_engine("required", 2)
        self.assert_outcome(report, "error", action="block", kind="connection_failed",
                            engine="clamav")
        self.assertEqual(self.entry(report, "clamav")["error"]["kind"], "connection_failed")
        self.assertEqual(self.entry(report, "mock")["outcome"], "clean")
        record = self.last_scan_in_audit()
        self.assertEqual(record["outcome"], "error")
        self.assertIn("clamav", str(record["engines"]))
        self.assertIn("connection_failed", str(record["engines"]))

    def test_optional(self):
        """R2: optional engine down → no vote, but visible in report and audit."""
        report = self.scan_with_dead_engine("optional", 0)
        self.assert_outcome(report, "clean")
        entry = self.entry(report, "clamav")
        self.assertEqual((entry["outcome"], entry["error"]["kind"]), ("error", "connection_failed"))
        self.assertIn("connection_failed", str(self.last_scan_in_audit()["engines"]))

    def test_all_down(self):
        """R2: only optional engines, all of them down → nobody proved anything."""
        dead = self.server.refusing_unix(f"{self.folder}/dead")
        self.configure(clamav(dead, role="optional", retry={"attempts": 1}))
        report = self.scan(self.write("file"), status=2).report
        self.assert_outcome(report, "error", action="block")


if __name__ == "__main__":
    unittest.main()
