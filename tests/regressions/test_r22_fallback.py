#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""R22: a fallback answered only while the circuit was open, and nothing told that it had.

It answers after any failure of the engine, or only when open if that is wanted; both entries say
so, in the report and on record."""
import unittest

from regressions import CLEAN, Case, mock


class Fallback(Case):
    def scans(self, count, options="", **settings):
        failing = mock("first", default="error:connection_failed", retry={"attempts": 1},
                       on_open={"fallback": "second"}) | settings
        self.configure(failing, mock("second", default="infected:Test.Threat"))
        path = self.write("file", CLEAN)
        program = self.driver()
        return [program.scan(f"path {path}{options}") for _ in range(count)]

    def assert_answered(self, report, kind):
        self.assert_outcome(report, "infected")
        first, second = self.entry(report, "first"), self.entry(report, "second")
        self.assertEqual((first["replaced_by"], first["outcome"], first["error"]["kind"]),
                         ("second", "error", kind))
        self.assertEqual((second["stands_for"], second["error"]), ("first", None))
        self.assertNotIn("stands_for", first)
        self.assertNotIn("replaced_by", second)

    def test_on_failure(self):
        """R22: from the first failure on, and while it is open."""
        for report in (reports := self.scans(7))[:5]:
            self.assert_answered(report, "connection_failed")
        self.assert_answered(reports[6], "circuit_open")
        record = [r for r in self.verify_audit() if r["event"] == "scan_completed"][-1]
        self.assertEqual([(e.get("replaced_by"), e.get("stands_for")) for e in record["engines"]],
                         [("second", None), (None, "first")])

    def test_on_open_only(self):
        """R22: as it was there, if somebody wants it so."""
        reports = self.scans(6, fallback_on="open")
        for report in reports[:5]:  # the other engine's answer is its own
            self.assertNotIn("replaced_by", self.entry(report, "first"))
            self.assertNotIn("stands_for", self.entry(report, "second"))
        self.assert_answered(reports[5], "circuit_open")

    def test_not_asked_otherwise(self):
        """R22: an engine outside of the scan is asked when it has to answer for one inside."""
        self.assert_answered(self.scans(1, " engines=first")[0], "connection_failed")

    def test_it_fails_too(self):
        """R22: two failures are no answer."""
        self.configure(mock("first", default="error:timeout", retry={"attempts": 1},
                            on_open={"fallback": "second"}),
                       mock("second", default="error:engine_crashed", retry={"attempts": 1}))
        report = self.scan(self.write("file", CLEAN), status=2).report
        self.assert_outcome(report, "error", kind="timeout", action="block")
        self.assertNotIn("replaced_by", self.entry(report, "first"))

    def test_circles_are_refused(self):
        """R22: with file and line."""
        self.config.write_text("engines:\n"
                               "  - {name: a, type: mock, on_open: {fallback: b}}\n"
                               "  - {name: b, type: mock, on_open: {fallback: a}}\n")
        result = self.run_program("config", "check")
        self.assertEqual(result.status, 1)
        self.assertIn("scanbridge.yaml:2:47: fallback: engine a is in the end its own fallback",
                      result.errors)


if __name__ == "__main__":
    unittest.main()
