# SPDX-License-Identifier: MIT
"""Rules read anew: from the next file on, without a pause, and only if they can be used."""
import json
import os
import signal
import unittest

from support import driver
from support.harness import PATIENCE, YaraCase, descendants, yara

ROUNDS = int(os.environ.get("SB_RELOADS", "12"))


def rule(name, text, verdict="infected"):
    return f'rule {name} {{ meta: verdict = "{verdict}" strings: $a = "{text}" condition: $a }}\n'


class Reload(YaraCase):
    def setUp(self):
        super().setUp()
        self.rules = self.folder / "rules"
        self.rules.mkdir()
        (self.rules / "own.yar").write_text(rule("First", "needle"))
        self.configure(yara(rules=[str(self.rules)], workers=2), cache={"enabled": False})

    def changes(self):
        return [r for r in self.verify_audit()
                if r["event"] == "engine_state" and r["what"] == "signatures"]

    def open(self):
        program = driver.Driver(self.config, self.folder)
        self.addCleanup(lambda: self.assertIsNone(program.end()))
        program.open()
        return program

    def names(self, report):
        return [threat["name"] for threat in report["threats"]]

    def test_the_next_file_sees_new_rules(self):
        program = self.open()
        path = self.write("file", b"a needle, and a hatpin")
        before = program.scan(f"path {path}")
        self.assertEqual(self.names(before), ["First"])
        (self.rules / "own.yar").write_text(rule("First", "needle") + rule("Second", "hatpin"))
        self.assertEqual(self.names(program.scan(f"path {path}")), ["First"])
        self.assertEqual(program.ask("reload"), {"reloaded": True})
        after = program.scan(f"path {path}")
        self.assertEqual(sorted(self.names(after)), ["First", "Second"])
        old, new = (r["engines"][0]["signature_version"] for r in (before, after))
        self.assertNotEqual(old, new)
        change, = self.changes()
        self.assertEqual((change["engine"], change["from"], change["to"], change["error"]),
                         ("yara", old, new, None))

    def test_what_cannot_be_used_changes_nothing(self):
        program = self.open()
        path = self.write("file", b"a needle")
        signatures = program.scan(f"path {path}")["engines"][0]["signature_version"]
        for text, wanted in (("rule broken {", "own.yar"), ("", "no rule")):
            (self.rules / "own.yar").write_text(text)
            answer = program.ask("reload yara")
            self.assertEqual(answer["failed"], "not_configured")
            self.assertIn(wanted, answer["message"])
            report = program.scan(f"path {path}")
            self.assertEqual(self.names(report), ["First"])
            self.assertEqual(report["engines"][0]["signature_version"], signatures)
        self.assertEqual([c["error"] for c in self.changes()], ["not_configured"] * 2)
        self.assertIn("nobody", program.ask("reload nobody")["message"])

    def test_what_flags_the_harmless_changes_nothing(self):
        program = self.open()
        path = self.write("file", b"a needle")
        (self.rules / "own.yar").write_text(rule("Page", "<!DOCTYPE html>"))
        answer = program.ask("reload")
        self.assertEqual(answer["failed"], "not_configured")
        self.assertIn("Page flags a benign file", answer["message"])
        self.assertEqual(self.names(program.scan(f"path {path}")), ["First"])
        self.assertEqual([c["error"] for c in self.changes()], ["not_configured"])

    def test_under_load(self):
        """No scan fails, each is judged by one set or the other, and nothing is left over. What
        is scanned costs little: an object in quarantine for each would take 20 ms of flushing, and
        the media type of long text 5 ms of searching."""
        self.configure(yara(rules=[str(self.rules)], workers=2), cache={"enabled": False},
                       quarantine={"enabled": False}, audit={"sync": "none"})
        program = self.open()
        path = self.write("file", b"\x89PNG\r\n\x1a\n a needle " + bytes(9000))
        tag, before, signatures = 0, None, {}
        for number in range(ROUNDS):
            (self.rules / "own.yar").write_text(rule(f"Rule{number}", "needle"))
            for _ in range(40):
                program.send(f"path {path} tag={tag}")
                tag += 1
            program.send("reload")
            for _ in range(40):
                program.send(f"path {path} tag={tag}")
                tag += 1
            program.send("wait")
            while "waited" not in (answer := program.read()):
                if "report" not in answer:
                    self.assertEqual(answer, {"reloaded": True})
                    continue
                self.assertEqual(answer["report"]["outcome"], "infected", answer)
                self.assertIn(self.names(answer["report"]),
                              (["First"], [f"Rule{number}"], [f"Rule{number - 1}"]))
                told = answer["report"]["engines"][0]["signature_version"]
                name = self.names(answer["report"])[0]
                self.assertEqual(signatures.setdefault(name, told), told, "another set's name")
            before = before or program.ask("stats")  # everything is open by now
        self.assertEqual(len(set(signatures.values())), len(signatures))
        after = program.ask("stats")
        self.assertLessEqual(after["fds"], before["fds"] + 6)
        self.assertLessEqual(after["threads"], before["threads"] + 8)
        self.assertLessEqual(after["rss_kib"], before["rss_kib"] + 16 * 1024)
        self.assertLess(len(descendants(program.process.pid)), 12)

    def test_watch_by_signal(self):
        (self.folder / "in").mkdir()
        process = self.start("watch", "--json", "in")
        self.said(process, b"watching")
        self.write("in/one", b"a hatpin")
        self.assertEqual(json.loads(process.stdout.readline())["outcome"], "clean")
        (self.rules / "own.yar").write_text(rule("Second", "hatpin"))
        process.send_signal(signal.SIGHUP)
        self.said(process, b"read anew")
        self.write("in/two", b"a hatpin")
        self.assertEqual(self.names(json.loads(process.stdout.readline())), ["Second"])
        (self.rules / "own.yar").write_text("rule broken {")
        process.send_signal(signal.SIGHUP)
        self.said(process, b"own.yar")
        self.write("in/three", b"a hatpin")
        self.assertEqual(self.names(json.loads(process.stdout.readline())), ["Second"])
        process.send_signal(signal.SIGTERM)
        self.assertEqual(process.wait(PATIENCE), 0)

    def said(self, process, words):
        for line in process.stderr:
            if words in line:
                return
        self.fail(f"{words} was not said")


if __name__ == "__main__":
    unittest.main()
