#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""R7: the decision to quarantine was only logged: no object was ever made.

The action `quarantine` means that the object is there, that the report has its id, and that the
log has its record before the decision's."""
import unittest

from regressions import INFECTED, Case, mock

STORING = {"quarantine": "quarantined", "require_manual_review": "held"}


class Happens(Case):
    def check(self, report, content):
        kept, = self.objects()
        self.assertEqual(kept["id"], report["quarantine_id"])
        self.assertEqual(kept["state"], STORING[report["action"]])
        self.quarantine("get", "-o", "got", kept["id"])
        self.assertEqual((self.folder / "got").read_bytes(), content)
        records = [r for r in self.verify_audit() if r.get("scan_id") == report["id"]]
        stored, = (r for r in records if r["event"] == "quarantine_operation")
        self.assertEqual((stored["operation"], stored["phase"], stored["quarantine_id"]),
                         ("store", "done", kept["id"]))
        decided, = (r for r in records if r["event"] == "policy_decision")
        self.assertEqual(decided["action"], report["action"])
        self.assertLess(stored["seq"], decided["seq"])

    def test_command_line(self):
        """R7: for what policy says, whatever the outcome is."""
        path = self.write("file", INFECTED)
        for says, rules in (("infected:A", []), ("suspicious:A", []), ("error:encrypted", [
                {"id": "one", "when": {"error_kind": "encrypted"}, "then": "quarantine"}])):
            with self.subTest(says):
                self.data = self.folder / says.partition(":")[0]
                (self.folder / "got").unlink(missing_ok=True)
                self.configure(mock(default=says), policy={"preset": "default", "rules": rules})
                report = self.scan(path).report
                self.assertIn(report["action"], STORING)
                self.check(report, INFECTED)

    def test_library(self):
        """R7: the same for a host program, from memory and from a stream."""
        self.configure(mock(default="infected:A"))
        path = self.write("file", INFECTED)
        program = self.driver()
        reports = [program.scan(f"{verb} {path}{rest}")
                   for verb, rest in (("memory", ""), ("stream", " 7"))]
        self.assertEqual(len({report["quarantine_id"] for report in reports}), 1)
        kept, = self.objects()
        self.assertEqual(kept["id"], reports[0]["quarantine_id"])

    def test_not_without_an_object(self):
        """R7: what could not be stored is not called quarantined."""
        self.configure(mock(default="infected:A"), quarantine={"max_size": 10})
        report = self.scan(self.write("file", INFECTED), status=1).report
        self.assertEqual((report["action"], report["quarantine_id"], report["error"]["kind"]),
                         ("block", None, "quarantine_failed"))


if __name__ == "__main__":
    unittest.main()
