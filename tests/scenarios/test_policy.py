# SPDX-License-Identifier: MIT
"""Policies as a person works with them: checked, explained, replayed; and rules in real scans."""
import datetime
import hashlib
import json
import os
import re
import unittest
import unittest.mock

from support import harness, surface
from support.harness import CLEAN, ROOT, mock

CONDITIONS = ROOT / "tests/policy/conditions.yaml"
EXAMPLES = sorted((ROOT / "examples/policies").glob("*.yaml"))
PRESETS = ("default", "strict", "monitor", "mail")


def sealed(record):
    """An audit line with the hash that it has to have."""
    blank = "f" * 64
    text = json.dumps(record | {"hash": blank}, separators=(",", ":"), ensure_ascii=False)
    bare = text.replace(f'"hash":"{blank}",', "", 1)
    return text.replace(blank, hashlib.sha256(bare.encode()).hexdigest(), 1)


class PolicyCase(harness.Case):
    def policy(self, text, name="policy.yaml"):
        (self.folder / name).write_text(text)
        return name

    def command(self, *arguments, status, **options):
        result = self.run_program("policy", *arguments, **options)
        self.assertEqual(result.status, status, str(result))
        return result

    def audit_lines(self):
        return (self.data / "audit.jsonl").read_text().splitlines()


class Check(PolicyCase):
    def test_every_condition_both_ways(self):
        result = self.command("check", str(CONDITIONS), status=0)
        self.assertRegex(result.text, r"60 rules, 118 of 118 tests passed, 0 errors")

    def test_no_condition_is_left_out(self):
        """The file has a rule and a test both ways for every key that a rule may have."""
        text = CONDITIONS.read_text()
        keys = {key.removeprefix("when.") for key in surface.config_keys()
                if key.startswith(("when.", "container.", "time."))}
        told = dict(re.findall(r"- name: (.*)\n    given: .*\n    expect: {.*rule: (.*)}", text))
        self.assertGreater(len(keys), 35)
        for key in sorted(keys):
            used = key.replace("time.", "time: {.*").replace("container.", r"container\.")
            with self.subTest(key):
                self.assertRegex(text, rf"\n    when: {{.*\b{used}: ")
                if key != "never":
                    self.assertEqual(told.get(f"{key} holds"), "rest" if key == "always" else key)
                if key != "always":
                    self.assertEqual(told.get(f"{key} does not hold"), "rest")

    def test_the_examples_pass_their_tests(self):
        self.assertEqual(len(EXAMPLES), 6)
        for example in EXAMPLES:
            with self.subTest(example.name):
                report = json.loads(self.command("check", "--json", str(example), status=0).text)
                self.assertTrue(report["ok"])
                self.assertGreater(report["tests"], 5)
                self.assertEqual(report["errors"], 0)

    def test_a_test_that_fails_is_told_with_its_place(self):
        name = self.policy("preset: default\n"
                           "tests:\n"
                           "  - {name: eh, given: {outcome: clean}, expect: block}\n"
                           "  - {given: {outcome: clean}, expect: {action: allow, rule: x}}\n"
                           "  - {given: {outcome: clean}, expect: {action: allow, rule: clean}}\n")
        result = self.command("check", name, status=1)
        self.assertIn("policy.yaml:3:5: test failed: eh: expected block, got allow by rule clean",
                      result.text)
        self.assertIn("policy.yaml:4:5: test failed: expected allow by rule x", result.text)
        self.assertIn("1 of 3 tests passed", result.text)

    def test_lint_names_the_rule(self):
        name = self.policy("rules:\n"
                           "  - {id: a, when: {outcome: clean}, then: allow}\n"
                           "  - {id: b, when: {outcome: clean, tenant: x}, then: block}\n"
                           "  - {id: c, when: {error_class: engine}, then: allow_with_warning}\n"
                           "  - {id: d, enabled: false, when: {always: true}, then: block}\n")
        report = json.loads(self.command("check", "--json", name, status=1).text)
        found = {(f["what"], f["place"].rsplit("/")[-1]): f["message"] for f in report["findings"]}
        self.assertIn("never reached", found["error", "policy.yaml:3:5"])
        self.assertIn("allows content that could not be scanned: engine_unavailable",
                      found["warning", "policy.yaml:4:5"])
        self.assertIn("not enabled", found["warning", "policy.yaml:5:5"])
        texts = " ".join(f["message"] for f in report["findings"])
        self.assertIn("outcome infected is handled by no rule", texts)
        self.assertRegex(texts, r"error kinds handled by no rule: it is blocked: file_too_large,")

    def test_a_rule_without_conditions_matches_and_is_told(self):
        name = self.policy("rules:\n  - {id: all, then: allow_with_warning}\n")
        result = self.command("check", name, status=0)
        self.assertIn(f"{name}:2:5: ", result.errors + result.text)
        self.assertIn('has no "when"', result.errors + result.text)
        self.configure(mock(default="infected:X"))
        report = self.scan("--policy", name, self.write("file"), status=0).report
        self.assertEqual((report["action"], report["rule"]["id"]), ("allow_with_warning", "all"))

    def test_mistakes_have_their_place(self):
        for text, message in (
                ("rules: [{id: a, when: {outcome: fine}, then: allow}]", r":1:33: outcome"),
                ("tests: [{given: {outcome: clean}}]", r'"expect" is missing'),
                ("tests: [{expect: allow}]", r'"given" is missing'),
                ("tests: [{given: {}, expect: allow}]", r'"outcome" is missing'),
                ("tests: [{given: {outcome: clean}, expect: pass}]", r'"pass" is no action'),
                ("tests: [{given: {outcome: clean, sise: 3}, expect: allow}]", r'"size"'),
                ("tests: [{given: {outcome: clean, time: noon}, expect: allow}]", r"RFC 3339"),
                ("tests: [{given: {outcome: clean, error_kind: io}, expect: allow}]", r"only with"),
                ("tests: [{given: {outcome: error, error_kind: x}, expect: allow}]", r"unknown"),
                ("tests: [{given: {outcome: clean, hash: x}, expect: allow}]", r"no digest"),
                ("tests: [{given: {outcome: clean, threats: x}, expect: allow}]", r"a list"),
                ("tests: [{given: {outcome: clean, threats: [{}]}, expect: allow}]", r'"name"'),
                ("tests: [{given: {outcome: clean, metadata: x}, expect: allow}]", r"a map"),
                ("tests: [{given: {outcome: clean, name: a, file_type: b}, expect: allow}]",
                 r"the name says it"),
                ("tests: x", r"a list of"), ("x", r"must be a map"), ("rules: [", r"not valid")):
            with self.subTest(text):
                result = self.command("check", self.policy(text + "\n"), status=1)
                self.assertRegex(result.errors, message)
        self.command("check", "missing.yaml", status=2)
        self.command("check", status=2)


class Explain(PolicyCase):
    def report(self, *arguments, data=CLEAN, status=0):
        self.write("a.txt", data)
        result = self.scan(*arguments, "a.txt", status=status)
        (self.folder / "report.json").write_bytes(result.out)
        return result.report

    def test_the_configured_policy_says_the_same(self):
        self.configure(mock(default="infected:Test.Name"))
        self.report(status=1)
        result = self.command("explain", "report.json", status=0)
        self.assertIn("rule infected: matches -> quarantine\n    + outcome: [infected]\n",
                      result.text)
        self.assertIn("decision: quarantine by rule infected", result.text)
        self.assertIn("the report says the same", result.text)

    def test_each_condition_is_told(self):
        self.report("--tenant", "acme", "--meta", "k=value")
        name = self.policy(
            "rules:\n"
            "  - {id: a, when: {tenant: evil, outcome: clean}, then: block}\n"
            "  - {id: b, when: {mime: 'x/*'}, then: block}\n"
            "  - {id: c, when: {any: [{tenant: acme, not: {metadata: {k: 'v*'}}},\n"
            "                         {file_type: txt}]}, then: block}\n"
            "  - {id: d, when: {always: true}, then: allow}\n")
        with open(self.folder / "report.json", "rb") as report:
            result = self.command("explain", "--policy", name, "-", status=0, stdin=report.read())
        self.assertIn("    + outcome: [clean]\n    - tenant: [\"evil\"]  (not so)\n", result.text)
        self.assertIn("    - mime: [\"x/*\"]  (not known)\n", result.text)
        self.assertIn("- not: does not hold", result.text)
        self.assertIn("        + file_type: [\"txt\"]\n(1 more not asked)\n", result.text)
        self.assertIn("the report differs: allow by rule clean", result.text)
        told = json.loads(self.command("explain", "-p", name, "--json", "report.json",
                                       status=0).text)
        self.assertEqual([r["matches"] for r in told["rules"]], [False, False, True])
        self.assertEqual(told["rules"][1]["conditions"][0]["truth"], "unknown")
        self.assertEqual((told["decision"]["action"], told["reported"]["action"], told["differs"]),
                         ("block", "allow", True))

    def test_what_is_no_report(self):
        (self.folder / "report.json").write_text('{"schema": "other/1"}')
        self.assertIn("no report of schema", self.command("explain", "report.json",
                                                          status=2).errors)
        (self.folder / "report.json").write_text("{")
        self.assertIn("no JSON", self.command("explain", "report.json", status=2).errors)
        self.command("explain", "missing.json", status=2)
        self.command("explain", "--policy", "missing.yaml", "report.json", status=2)


class Replay(PolicyCase):
    def setUp(self):
        super().setUp()
        for name in ("a.txt", "b.exe", "c.exe"):
            self.write(f"in/{name}")
        self.scan("--tenant", "acme", "in", status=0)

    def test_presets_written_out_change_nothing(self):
        for preset in PRESETS:
            with self.subTest(preset):
                self.command("replay", "--policy", str(ROOT / f"examples/policies/{preset}.yaml"),
                             status=0)

    def test_changes_are_counted(self):
        name = self.policy("preset: default\n"
                           "rules: [{id: programs, when: {file_type: exe}, then: block}]\n")
        result = self.command("replay", "--policy", name, "--examples", "1", status=1)
        self.assertRegex(result.text, r": 3 scans, 2 change\n")
        self.assertRegex(result.text, r"\n  allow +block +2\nexamples:\n")
        self.assertEqual(len(re.findall(r"\.exe: allow by clean -> block by programs", result.text)),
                         1)
        told = json.loads(self.command("replay", "-p", name, "--json", status=1).text)
        self.assertEqual((told["scans"], told["changed"], len(told["examples"])), (3, 2, 2))
        self.assertIn({"from": "allow", "to": "block", "scans": 2}, told["matrix"])

    def test_a_span_of_time(self):
        for option, scans in (("--since", 0), ("--until", 3)):
            told = json.loads(self.command("replay", "-p", "strict", "--json", option,
                                           "2999-01-01", status=0).text)
            self.assertEqual(told["scans"], scans)
        self.command("replay", "-p", "strict", "--since", "noon", status=2)

    def test_records_that_lack_something_are_told_apart(self):
        records = [json.loads(line) for line in self.audit_lines()]
        for record in records:
            if record["event"] == "scan_completed":
                del record["requested_at"]
        old = self.folder / "old.jsonl"
        old.write_text("".join(sealed(record) + "\n" for record in records) + "torn")
        name = self.policy("preset: default\nrules:\n"
                           "  - {id: night, when: {time: {from: '00:00', to: '24:00'}}, "
                           "then: block}\n")
        result = self.command("replay", "-p", name, str(old), status=0)
        self.assertIn(": 0 scans, 0 change", result.text)
        self.assertIn("3 records could not be recomputed because the record does not have all "
                      "that time needs", result.text)
        self.assertIn("1 damaged lines", result.text)
        self.assertIn(": 3 scans, 3 change", self.command("replay", "-p", name, status=1).text)
        self.assertIn(": 3 scans, 0 change",
                      self.command("replay", "-p", "default", str(old), status=0).text)

    def test_a_log_of_several_files(self):
        """The configuration's log with the files it continues, or what is named."""
        log = self.data / "audit.jsonl"
        for number in (9, 100):
            (self.data / f"audit.jsonl.{number}").write_bytes(log.read_bytes())
        (self.data / "audit.jsonl.old").write_bytes(log.read_bytes())
        told = json.loads(self.command("replay", "-p", "default", "--json", status=0).text)
        self.assertEqual(told["scans"], 9)
        self.assertEqual([name.rsplit("/", 1)[1] for name in told["audit_files"]],
                         ["audit.jsonl.9", "audit.jsonl.100", "audit.jsonl"])
        told = json.loads(self.command("replay", "-p", "default", "--json", str(log), str(log),
                                       status=0).text)
        self.assertEqual(told["scans"], 6)

    def test_an_altered_record_is_left_out(self):
        log = self.folder / "altered.jsonl"
        log.write_text("\n".join(self.audit_lines()).replace("a.txt", "a.exe") + "\n")
        self.assertRegex(self.command("replay", "-p", "strict", str(log), status=0).text,
                         r": 2 scans, 0 change\n(?:.*\n)?.*damaged")

    def test_it_needs_a_candidate_and_a_log(self):
        self.assertIn("--policy", self.command("replay", status=2).errors)
        self.command("replay", "-p", "strict", "missing.jsonl", status=2)
        self.command("replay", "-p", "missing.yaml", status=2)


class Rules(PolicyCase):
    """Conditions on facts that only a scan has."""

    def decide(self, when, *arguments, action="block", engines=(), data=CLEAN):
        self.configure(*engines, policy={"preset": "default", "rules": [
            {"id": "r", "when": when, "then": action}]})
        self.write("a.txt", data)
        report = self.scan(*arguments, "a.txt").report
        explained = self.run_program("policy", "explain", "-",
                                     stdin=json.dumps(report).encode()).text
        self.assertIn("the report says the same", explained)
        return report["rule"]["id"] == "r"

    def test_digests_are_made_for_rules_that_ask(self):
        for name in ("sha256", "md5"):
            digest = hashlib.new(name, CLEAN).hexdigest()
            self.assertTrue(self.decide({"hash": digest.upper()}), name)
            other = hashlib.new(name, CLEAN + b"x").hexdigest()
            self.assertFalse(self.decide({"hash": other}), name)

    def test_metadata_and_identity(self):
        when = {"metadata": {"department": ["sales", "fin*"]}, "not": {"user": "root"}}
        self.assertTrue(self.decide(when, "--meta", "department=finance", "--user", "eve"))
        self.assertFalse(self.decide(when, "--meta", "department=finance", "--user", "root"))
        self.assertFalse(self.decide(when, "--user", "eve"))

    def test_engines(self):
        engines = (mock("one", default="infected:A"), mock("two", default="infected:B"))
        self.assertTrue(self.decide({"engine": "two"}, engines=engines))
        self.assertFalse(self.decide({"engine": "three"}, engines=engines))
        self.assertFalse(self.decide({"engine": "two"}, engines=engines, action="allow"))
        self.assertTrue(self.decide({"engine": ["two", "one"]}, engines=engines, action="allow"))

    def test_the_clock(self):
        self.assertTrue(self.decide({"time": [{"days": "mon-fri"}, {"days": ["sat", "sun"]}]}))
        self.assertFalse(self.decide({"not": {"time": {"days": "sat-fri", "zone": "local"}}}))

    def test_local_time_is_the_programs(self):
        """Eleven hours east of UTC: an hour before now and one behind it, there and here."""
        there = datetime.datetime.now(datetime.timezone(datetime.timedelta(hours=11)))
        hour = datetime.timedelta(hours=1)
        window = {"from": f"{there - hour:%H:%M}", "to": f"{there + hour:%H:%M}"}
        with unittest.mock.patch.dict(os.environ, TZ="XYZ-11"):
            self.assertTrue(self.decide({"time": {**window, "zone": "local"}}))
            self.assertFalse(self.decide({"time": {**window, "zone": "utc"}}))
        with unittest.mock.patch.dict(os.environ, TZ="UTC"):
            self.assertFalse(self.decide({"time": {**window, "zone": "local"}}))


if __name__ == "__main__":
    unittest.main()
