#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""R32, R33: policies that mean nothing were taken as they were (an empty And was true, ids could
stand twice), and conditions on a file looked at the first engine's result instead of the file.

Both are refused with their place; name and size are those of what was scanned."""
import unittest

from regressions import Case, mock


class PolicyValidation(Case):
    def check(self, rules):
        path = self.folder / "policy.yaml"
        path.write_text(f"preset: default\nrules: {rules}\n")
        return self.run_program("policy", "check", str(path))

    def test_what_means_nothing_is_refused(self):
        """R32: empty lists of conditions, conditions of nothing, ids that stand twice."""
        for rules, message in (
                ("[{id: a, when: {all: []}, then: allow}]", "all: the list is empty"),
                ("[{id: a, when: {any: []}, then: allow}]", "any: the list is empty"),
                ("[{id: a, when: {not: {}}, then: allow}]", "a rule needs a condition"),
                ("[{id: a, when: {}, then: allow}]", "a rule needs a condition"),
                ("[{id: a, when: {tenant: x}, then: block}, "
                 "{id: a, when: {tenant: y}, then: block}]", 'duplicate rule id "a"')):
            with self.subTest(rules):
                result = self.check(rules)
                self.assertEqual(result.status, 1, str(result))
                self.assertRegex(result.errors, r"policy\.yaml:2:\d+: " + message)

    def test_the_file_is_what_counts(self):
        """R33: the size and the type by name are the file's own, whatever engines say."""
        self.configure(mock("one"), mock("two"), policy={"preset": "default", "rules": [
            {"id": "big", "when": {"size_above": 5}, "then": "block"},
            {"id": "type", "when": {"file_type": "exe"}, "then": "block"}]})
        self.write("in/a.txt", b"123456")
        self.write("in/b.pdf.EXE", b"1")
        self.write("in/exe", b"1")
        rules = {name: report["rule"]["id"]
                 for name, report in self.scan("in", status=1).by_name().items()}
        self.assertEqual(rules, {"a.txt": "big", "b.pdf.EXE": "type", "exe": "clean"})


if __name__ == "__main__":
    unittest.main()
