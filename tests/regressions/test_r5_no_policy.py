#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""R5: without a policy the default action was Allow, so malware passed.

The built-in default and "no rule matches" both keep it out."""
import unittest

from regressions import Case, mock

ONLY_CLEAN = {"rules": [{"id": "only-clean", "when": {"outcome": "clean"}, "then": "allow"}]}
OUTCOMES = (
    # what the engine says, exit status without any rule for it
    ("infected:Test", "infected", 1),
    ("suspicious:Test", "suspicious", 1),
    ("error:corrupt", "error", 2),
    ("error:engine_unavailable", "error", 2),
)


class NoPolicy(Case):
    def test_built_in_default(self):
        """R5: no policy in the configuration, none allowed."""
        for says, outcome, status in OUTCOMES:
            with self.subTest(says):
                self.configure(mock(default=says, retry={"attempts": 1}))
                report = self.scan(self.write("file"), status=status).report
                self.assertEqual(report["outcome"], outcome)
                self.assertNotIn(report["action"], ("allow", "allow_with_warning"))

    def test_no_match(self):
        """R5: a policy whose rules don't match blocks, and says so."""
        for says, outcome, status in OUTCOMES:
            with self.subTest(says):
                self.configure(mock(default=says, retry={"attempts": 1}), policy=ONLY_CLEAN)
                report = self.scan(self.write("file"), status=status).report
                self.assertEqual((report["outcome"], report["action"]), (outcome, "block"))
                self.assertIsNone(report["rule"])
                self.assertTrue(report["reason"])

    def test_rules_still_allow(self):
        """R5, the other side: what a rule allows is allowed, so the test above can fail."""
        self.configure(mock(), policy=ONLY_CLEAN)
        report = self.scan(self.write("file"), status=0).report
        self.assertEqual((report["action"], report["rule"]["id"]), ("allow", "only-clean"))


if __name__ == "__main__":
    unittest.main()
