# SPDX-License-Identifier: MIT
"""`audit export --format ocsf`: events with all that their class requires, the right numbers, and
the same ones every time."""
import hashlib
import json
import unittest

from support import harness
from support.harness import CLEAN, INFECTED, mock

SCAN, FINDING, REMEDIATION = 6007, 2004, 7002

# What the schema requires of every event, and of each class.
EVERY = {"activity_id": int, "category_uid": int, "class_uid": int, "type_uid": int,
         "severity_id": int, "time": int, "metadata": {"version": str, "product": {"name": str}}}
FILE = {"name": str, "type_id": int}
REQUIRED = {
    SCAN: {"scan": {"type_id": int}},
    FINDING: {"finding_info": {"uid": str, "title": str},
              "malware": [{"name": str, "classification_ids": [int]}],
              "evidences": [{"file": FILE}]},
    REMEDIATION: {"file": FILE, "command_uid": str},
}
# Class: category, activities, status_ids.
NUMBERS = {SCAN: (6, {1, 2, 3, 4, 6}, {1, 2}), FINDING: (2, {1}, {1}),
           REMEDIATION: (7, {1, 2, 3, 99}, {1, 6})}
FINGERPRINTS = {3: ("SHA-256", 64), 99: ("BLAKE3", 64)}


def digest(number):
    return hashlib.sha256(str(number).encode()).hexdigest()


def record(seq, event, **members):
    return {"seq": seq, "time": f"2026-11-22T08:00:00.{seq:03}Z", "event": event,
            "prev": digest(seq - 1), "hash": digest(seq), "writer": "w",
            "durable": seq - 1} | members


def completed(seq, outcome="clean", **members):
    return record(seq, "scan_completed", scan_id="s1", name="a", path="/in/a", size=3,
                  outcome=outcome, source="cli", total_duration_ms=1.25,
                  file_hash_blake3=digest("b")) | members


def decided(seq, action, **members):
    return record(seq, "policy_decision", scan_id="s1", action=action, matched_rule_id="r",
                  matched_rule_name="Rule", reason="because") | members


class Export(harness.Case):
    def require(self, wanted, value, where):
        if isinstance(wanted, dict):
            self.assertIsInstance(value, dict, where)
            for key, inner in wanted.items():
                self.assertIn(key, value, where)
                self.require(inner, value[key], f"{where}.{key}")
        elif isinstance(wanted, list):
            self.assertIsInstance(value, list, where)
            for element in value:
                self.require(wanted[0], element, where + "[]")
        else:
            self.assertIs(type(value), wanted, where)

    def check(self, event):
        """Against the tables above."""
        kind = event["class_uid"]
        self.require(EVERY | REQUIRED[kind], event, str(kind))
        category, activities, statuses = NUMBERS[kind]
        self.assertEqual(event["category_uid"], category)
        self.assertIn(event["activity_id"], activities)
        self.assertEqual(event["type_uid"], kind * 100 + event["activity_id"])
        self.assertIn(event["status_id"], statuses)
        self.assertIn(event["severity_id"], range(1, 6))
        self.assertGreater(event["time"], 1_600_000_000_000)  # milliseconds
        for file in self.files(event):
            self.assertEqual(file["type_id"], 1)
            for print_ in file["fingerprints"]:
                name, length = FINGERPRINTS[print_["algorithm_id"]]
                self.assertEqual((print_["algorithm"], len(print_["value"])), (name, length))

    def files(self, event):
        yield from (e["file"] for e in event.get("evidences", []))
        for holder in (event, event["unmapped"]):
            if "file" in holder:
                yield holder["file"]

    def export(self, *records, arguments=(), status=0):
        log = self.folder / "log.jsonl"
        log.write_text("".join(
            line if isinstance(line, str) else json.dumps(line, separators=(",", ":")) + "\n"
            for line in records))
        result = self.run_program("audit", "export", "--format", "ocsf", *arguments, str(log))
        self.assertEqual(result.status, status, str(result))
        for event in result.reports:
            self.check(event)
        return result.reports

    def test_real_scans(self):
        bad = self.write("bad", INFECTED)
        self.write("good", CLEAN)
        blake3 = self.run_program("hash", str(bad)).text.split()[0]
        self.configure(mock(responses=[f"{blake3}=infected:Some.Trojan"]))
        self.assertEqual(self.scan("bad", "good", "nowhere", "--tenant", "t1").status, 1)
        result = self.run_program("audit", "export")
        self.assertEqual(result.status, 0, str(result))
        for event in result.reports:
            self.check(event)
            self.assertEqual(event["metadata"]["tenant_uid"], "t1")
        got = sorted(event["type_uid"] for event in result.reports)
        self.assertEqual(got, [200401] + [600701] * 3 + [600702] * 2 + [600706] + [700201])
        finding = next(e for e in result.reports if e["class_uid"] == FINDING)
        self.assertEqual(finding["malware"][0]["name"], "Some.Trojan")
        self.assertEqual(finding["malware"][0]["classification_ids"], [18])
        self.assertEqual({p["algorithm_id"]: p["value"] for p in
                          finding["evidences"][0]["file"]["fingerprints"]},
                         {3: hashlib.sha256(INFECTED).hexdigest(), 99: blake3})
        self.assertEqual(result.out, self.run_program("audit", "export").out)

    def test_ends_of_scans(self):
        for error, activity in ((None, 2), ("cancelled", 3), ("timeout", 4), ("corrupt", 6)):
            with self.subTest(error):
                event, = self.export(completed(3, "error" if error else "clean", error=error))
                self.assertEqual(event["activity_id"], activity)
                self.assertEqual(event["status_id"], 2 if error else 1)

    def test_actions(self):
        for action, action_id, disposition in (
                ("allow", 1, 1), ("allow_with_warning", 1, 19), ("block", 2, 2),
                ("require_manual_review", 2, 14), ("quarantine", 2, 2)):
            with self.subTest(action):
                event, = self.export(completed(3), decided(4, action))
                self.assertEqual((event["action_id"], event["disposition_id"]),
                                 (action_id, disposition))
                self.assertEqual(event["policy"], {"uid": "r", "name": "Rule", "desc": "because"})

    def test_quarantined_is_said_when_it_was_stored(self):
        store = record(2, "quarantine_operation", scan_id="s1", operation="store",
                       quarantine_id="q", original_filename="a", file_size=3)
        events = self.export(store, completed(3, "infected"), decided(4, "quarantine"))
        self.assertEqual([e["type_uid"] for e in events], [700201, 600702, 200401])
        self.assertEqual([e["disposition_id"] for e in events], [3, 3, 3])
        failed = self.export(store | {"error": "io"}, completed(3, "infected"),
                             decided(4, "quarantine"))
        self.assertEqual([e.get("disposition_id") for e in failed], [None, 2, 2])
        self.assertEqual(failed[0]["status_id"], 6)

    def test_quarantine_operations(self):
        for operation, activity, disposition in (
                ("store", 1, 3), ("delete", 2, 5), ("purge", 2, 5), ("restore", 3, 9),
                ("release", 3, 9), ("hold", 99, None)):
            with self.subTest(operation):
                event, = self.export(record(2, "quarantine_operation", operation=operation,
                                            original_filename="a", file_size=3))
                self.assertEqual((event["activity_id"], event.get("disposition_id")),
                                 (activity, disposition))
                self.assertEqual((event["file"]["name"], event["file"]["size"]), ("a", 3))

    def test_severity_and_verdict(self):
        def threat(name, severity):
            return {"name": name, "severity": severity, "engine": "e"}
        eicar = "Eicar" + "-Test"
        for outcome, threats, severity, verdict in (
                ("infected", [threat("X", "low"), threat("Y", "critical")], 5, 2),
                ("infected", [threat("X", "medium")], 3, 2), ("infected", [], 4, 2),
                ("suspicious", [], 3, 4), ("suspicious", [threat("X", "low")], 2, 4),
                ("infected", [threat(eicar, "high")], 4, 6),
                ("infected", [threat(eicar, "high"), threat("X", "high")], 4, 2)):
            with self.subTest(f"{outcome} {threats}"):
                finding = self.export(completed(3, outcome, threats=threats))[1]
                self.assertEqual((finding["severity_id"], finding["verdict_id"]),
                                 (severity, verdict))

    def test_a_decision_of_another_scan(self):
        """Writers don't mix the records of one scan; if they did, nothing would be made up."""
        event, = self.export(completed(3), decided(4, "block", scan_id="s2"))
        self.assertEqual(event["disposition_id"], 0)

    def test_after(self):
        log = [record(1, "log_opened"), completed(2), decided(3, "allow"), completed(4),
               decided(5, "allow")]
        self.assertEqual(len(self.export(*log)), 2)
        event, = self.export(*log, arguments=["--after", "3"])
        self.assertEqual(event["metadata"]["sequence"], 4)

    def test_names_from_outside_stay_data(self):
        name = 'a"b\\\u202e\n\u00e9'
        event, = self.export(completed(3, name=name))
        self.assertEqual(event["unmapped"]["file"]["name"], name)

    def test_what_is_no_record(self):
        events = self.export("rubbish\n", completed(3), "{\"seq\":4}\n", decided(5, "allow"),
                             status=1)
        self.assertEqual(len(events), 1)

    def test_numbers_that_do_not_fit(self):
        for seq, status in ((10**17 - 1, 0), (10**18 - 1, 0), (10**18, 1), (25 * 10**17, 1),
                            (10**40, 1)):
            with self.subTest(seq=seq):
                events = self.export(completed(3) | {"seq": seq}, status=status)
                self.assertEqual([e["metadata"]["sequence"] for e in events],
                                 [] if status else [seq])

    def test_no_log(self):
        result = self.run_program("audit", "export", "nowhere")
        self.assertEqual((result.status, result.text), (2, ""))
        self.assertIn("nowhere", result.errors)

    def test_the_same_log_gives_the_same_bytes(self):
        log = [record(1, "log_opened"), record(2, "scan_started", scan_id="s1", source="cli"),
               completed(3, "infected", threats=[{"name": "X", "severity": "high",
                                                  "engine": "e"}]), decided(4, "block")]
        first, second = self.export(*log), self.export(*log)
        self.assertEqual(first, second)
        self.assertEqual(first[0], {
            "activity_id": 1, "activity_name": "Started", "category_uid": 6,
            "category_name": "Application Activity", "class_uid": 6007,
            "class_name": "Scan Activity", "type_uid": 600701,
            "type_name": "Scan Activity: Started", "time": 1795334400002, "severity_id": 1,
            "severity": "Informational",
            "metadata": {"version": "1.5.0",
                         "product": {"name": "Scanbridge", "vendor_name": "Scanbridge",
                                     "version": first[0]["metadata"]["product"]["version"]},
                         "profiles": ["security_control"], "uid": digest(2) + "-6007",
                         "sequence": 2, "original_time": "2026-11-22T08:00:00.002Z",
                         "event_code": "scan_started", "correlation_uid": "s1"},
            "status_id": 1, "status": "Success",
            "scan": {"uid": "s1", "type_id": 1, "type": "Manual"},
            "unmapped": {"source": "cli"}})


if __name__ == "__main__":
    unittest.main()
