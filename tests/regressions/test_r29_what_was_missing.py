#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""R29: what the crate did not have at all. Each is here, shown in a few lines or by the test named;
what later builds bring is refused by name."""
import json
import unittest

from accounts import attempt, covered, lacks
from regressions import CLEAN, INFECTED, Case, mock
from support import surface
from support.harness import BUILD, ROOT, yara

LATER = "not available in this build"


def refused(*words):
    """A command or an option of a later build."""
    def row(case):
        case.configure()
        result = case.run_program(*words)
        case.assertEqual(result.status, 2, f"it is built by now, show it: {result}")
        case.assertIn(LATER, result.errors)
    return row


def configured(**sections):
    """The same for what a configuration asks for."""
    def row(case):
        case.configure(**sections)
        result = case.run_program("config", "check")
        case.assertEqual(result.status, 1, f"it is built by now, show it: {result}")
        case.assertIn(LATER, result.errors)
    return row


def decided(when, *arguments, content=CLEAN, says="clean", name="a.txt"):
    """A condition of policy: a rule with it blocks, and does not without these facts."""
    def row(case):
        case.configure(mock(default=says), policy={"preset": "monitor", "rules": [
            {"id": "one", "when": when, "then": "block"}]})
        path = case.write(name, content)
        case.assertEqual(case.scan(*arguments, path).report["action"], "block")
        case.configure(mock(default=says), policy={"preset": "monitor", "rules": [
            {"id": "one", "when": {"not": when}, "then": "block"}]})
        case.assertNotEqual(case.scan(*arguments, path).report["action"], "block")
    return row


def command_line(case):
    case.assertIn("scan", surface.commands())
    case.configure()
    case.assertEqual(case.run_program("scan", case.write("a")).status, 0)


def configuration_file(case):
    case.configure(mock(default="suspicious:A"))
    case.assertEqual(case.run_program("config", "check").status, 0)
    case.assertEqual(case.scan(case.write("a")).report["outcome"], "suspicious")


def directories(case):
    for name in ("tree/a", "tree/b/c/d"):
        case.write(name)
    case.configure()
    case.assertEqual(sorted(case.scan("tree", status=0).by_name()), ["a", "d"])


def batches(case):
    case.configure()
    for name in ("a", "b", "c"):
        case.write(name, name.encode())
    result = case.scan("--file-list", "-", stdin=b"a\nc\n", status=0)
    case.assertEqual(sorted(result.by_name()), ["a", "c"])


def health(case):
    for says, status in (("clean", 1), ("infected:Eicar", 1)):
        case.configure(mock(default=says, self_test="eicar"))
        case.assertEqual(case.run_program("engines", "--check").status, status)
    case.configure(yara())
    case.assertEqual(case.run_program("engines", "--check").status, 0)


def media_types(case):
    case.configure(mime="always")
    page = case.write("page", b"<!DOCTYPE html><html><body>hello</body></html>\n")
    case.assertEqual(case.scan(page).report["file"]["mime"], "text/html")


def lists(case):
    path = case.write("a")
    digest = case.run_program("hash", path).text.split()[0]
    case.write("list", digest.encode() + b"\n")
    for key, wanted in (("block", "infected"), ("allow", "clean")):
        case.configure(mock(), {"name": "list", "type": "hashlist", key: "list"})
        report = case.scan(path).report
        case.assertEqual(case.entry(report, "list")["outcome"], wanted)


def explained(case):
    case.configure(mock(default="infected:A"))
    report = case.scan("--dry-run", case.write("a", INFECTED), status=1)
    case.assertEqual((report.report["action"], report.report["quarantine_id"]),
                     ("quarantine", None))
    case.write("report.json", report.out)
    told = case.run_program("policy", "explain", "report.json")
    case.assertIn("rule infected: matches -> quarantine", told.text)
    replay = case.run_program("policy", "replay", "--policy", "monitor", "--json")
    case.assertEqual(replay.status, 1, str(replay))
    case.assertTrue(json.loads(replay.text))


def digest_of(case):
    """A rule on the digest of this very content."""
    path = case.write("a.txt", CLEAN)
    digest = case.run_program("hash", path).text.split()[0]
    decided({"hash": f"blake3:{digest}"})(case)


def tenants(case):
    case.configure(policy={"preset": "default", "rules": [
        {"id": "one", "when": {"tenant": "strict"}, "then": "block"}]})
    path = case.write("a")
    case.assertEqual(case.scan("--tenant", "strict", path).report["action"], "block")
    case.assertEqual(case.scan("--tenant", "other", path).report["action"], "allow")


def several(case):
    """How many engines have a detection."""
    for count, action in ((1, "allow_with_warning"), (2, "block")):
        case.configure(mock(default="infected:A"), mock("two", default="infected:B" if count == 2
                                                        else "clean"),
                       policy={"preset": "monitor", "rules": [
                           {"id": "one", "when": {"detections_at_least": 2}, "then": "block"}]})
        case.assertEqual(case.scan(case.write("a")).report["action"], action)


ABI = "tests/abi/test_abi.py"
RUNNING = "tests/scenarios/test_running.py"
PARTS = {
    "command line": command_line,
    "daemon": refused("serve"),
    "configuration file": configuration_file,
    "C ABI": covered(ABI, "test_declared_is_exported"),
    "directory scan": directories,
    "batch": batches,
    "cancellation": covered(RUNNING, "test_interrupt_while_an_engine_hangs"),
    "progress": covered("tests/scenarios/test_terminal.py", "test_progress_tells_what_is_left"),
    "metrics": configured(listeners=[{"type": "http", "address": "127.0.0.1:8080"}]),
    "health": health,
    "engine add, remove, reload": lacks("server", "a program that runs on"),
    "MIME detection": media_types,
    "block and allow lists": lists,
    "policy for a tenant": tenants,
    "weights": covered("tests/regressions/test_r27_no_dead_keys.py", '"engines.weight": later('),
    "dry run, explain, replay": explained,
    "condition on user": decided({"user": "eve"}, "--user", "eve"),
    "condition on metadata": decided({"metadata": {"queue": "7*"}}, "--meta", "queue=77"),
    "condition on hash": digest_of,
    "condition on engine": decided({"engine": "mock"}, says="infected:A"),
    "condition on count": several,
    "condition on MIME": decided({"mime": "text/*"}),
}


class Missing(Case):
    def test_all_of_it(self):
        """R29: each part of the list."""
        attempt(self, PARTS)

    def test_library_installed(self):
        """R29: what a program in C needs is built."""
        self.assertTrue((BUILD / "libscanbridge.so.0").exists())
        self.assertTrue((ROOT / "include/scanbridge/scanbridge.h").exists())


if __name__ == "__main__":
    unittest.main()
