# SPDX-License-Identifier: MIT
"""The whole configuration read anew by a program that runs: edits of the file, of rules and of
lists take over together or not at all, and no scan fails meanwhile."""
import json
import os
import select
import signal
import time
import unittest

from support import driver
from support.harness import PATIENCE, YaraCase, descendants, mock, yara

ROUNDS = int(os.environ.get("SB_RECONFIGURATIONS", "15"))
RULES = {"min_assurance": "rules"}


def rule(name, text):
    return f'rule {name} {{ strings: $a = "{text}" condition: $a }}\n'


class ReconfigureCase(YaraCase):
    def setUp(self):
        super().setUp()
        (self.folder / "rules").mkdir()
        self.rules(rule("First", "needle"))
        self.use(self.yara())
        self.path = self.write("file", b"a needle, and a hatpin")

    def yara(self, **settings):
        return yara(rules=[str(self.folder / "rules")], workers=2, **settings)

    def rules(self, text):
        (self.folder / "rules/own.yar").write_text(text)

    def use(self, *engines, **sections):
        self.configure(*engines, **{"cache": {"enabled": False}, "decision": RULES} | sections)

    def records(self):
        return [r for r in self.verify_audit() if r["event"] == "config_loaded"]


class Library(ReconfigureCase):
    def setUp(self):
        super().setUp()
        self.program = driver.Driver(self.config, self.folder)
        self.addCleanup(lambda: self.assertIsNone(self.program.end()))
        self.program.open()

    def scan(self):
        return self.program.scan(f"path {self.path}")

    def names(self):
        return sorted(threat["name"] for threat in self.scan()["threats"])

    def engines(self):
        return [entry["engine"] for entry in self.scan()["engines"]]

    def take_over(self, failing=None):
        answer = self.program.ask(f"reconfigure {self.config}")
        if failing is None:
            self.assertEqual(answer, {"reconfigured": True})
            self.assertIsNone(self.records()[-1]["error"])
        else:
            self.assertIn(failing, answer["message"])
        return answer

    def test_engines_added_removed_and_changed(self):
        self.assertEqual((self.engines(), self.names()), (["yara"], ["First"]))
        self.use(self.yara(), mock(default="infected:More"))
        self.take_over()
        self.assertEqual((self.engines(), self.names()), (["yara", "mock"], ["First", "More"]))
        self.assertEqual(self.records()[-1]["engines_kept"], 1)
        self.use(self.yara(), mock(default="infected:Other"))
        self.take_over()
        self.assertEqual(self.names(), ["First", "Other"])
        processes = [os.pidfd_open(d) for d in descendants(self.program.process.pid)[1:]]
        self.use(mock(default="infected:Other"))
        self.take_over()
        self.assertEqual(self.engines(), ["mock"])
        self.assertGreater(len(processes), 1)
        for descriptor in processes:  # of the engine that is gone: they end
            self.assertTrue(select.select([descriptor], [], [], PATIENCE)[0])
            os.close(descriptor)
        self.assertIn("nobody", self.program.ask("reload nobody")["message"])

    def test_policy_decision_and_limits(self):
        self.use(self.yara(), policy={"preset": "monitor"})
        self.take_over()
        self.assertEqual(self.scan()["action"], "allow_with_warning")
        self.use(self.yara(), limits={"max_size": 5})
        self.take_over()
        self.assertEqual(self.scan()["error"]["kind"], "file_too_large")
        self.use(self.yara(), hashes=["md5"])
        self.take_over()
        self.assertIn("md5", self.scan()["file"])

    def test_rules_alone(self):
        """The file says the same; what it names has changed."""
        before = self.scan()["engines"][0]["signature_version"]
        self.rules(rule("Second", "hatpin"))
        self.take_over()
        report = self.scan()
        self.assertEqual([t["name"] for t in report["threats"]], ["Second"])
        self.assertNotEqual(report["engines"][0]["signature_version"], before)
        self.take_over()
        self.assertEqual(self.records()[-1]["engines_kept"], 1)
        self.assertEqual(self.names(), ["Second"])

    def test_lists(self):
        listed = self.folder / "bad"
        listed.write_text("")
        blocklist = {"name": "list", "type": "hashlist", "block": "bad"}
        listed.write_text("0" * 64 + "\n")
        self.use(self.yara(), blocklist)
        self.take_over()
        self.assertEqual(self.names(), ["First"])
        listed.write_text(self.run_program("hash", str(self.path)).text.split()[0] + "\n")
        self.take_over()
        self.assertEqual(self.names(), ["Blocklist.Match", "First"])

    def test_what_is_refused(self):
        self.write("benign/page", b"nothing but a haystack")
        rows = (
            (lambda: self.config.write_text("engines: [{"), "scanbridge.yaml:"),
            (lambda: self.use(self.yara(wokers=3)), "wokers"),
            (lambda: self.use(self.yara(), data_dir=str(self.folder / "other")), "data_dir"),
            (lambda: self.use(self.yara(), audit={"file": "other.jsonl"}), "audit.file"),
            (lambda: self.use(self.yara(), cache={"enabled": True}), "cache.enabled"),
            (lambda: (self.use(self.yara()), self.rules("rule broken {")), "own.yar"),
            (lambda: self.rules(rule("Page", "<!DOCTYPE html>")), "Page flags a benign file"),
            (lambda: (self.use(self.yara(), rules={"benign": ["benign"]}),
                      self.rules(rule("Hay", "haystack"))), "benign/page"),
            (lambda: (self.use(self.yara(), mock(default="clean", self_test="eicar")),
                      self.rules(rule("First", "needle"))), "known-answer test"),
            (lambda: self.use(self.yara(bundles=["none"])), "no rule bundle"),
        )
        for number, (edit, words) in enumerate(rows):
            with self.subTest(words):
                edit()
                self.take_over(failing=words)
                self.assertEqual((self.engines(), self.names()), (["yara"], ["First"]))
        told = [r["error"] for r in self.records()]  # one can't even be read by the driver
        self.assertEqual(len(told), number)
        self.assertNotIn(None, told)
        self.use(self.yara())
        self.take_over()

    def test_breakers_are_kept(self):
        self.use(self.yara(), mock(default="error:engine_unavailable", role="optional",
                                   retry={"attempts": 1},
                                   breaker={"failure_threshold": 1, "open": "1h"}))
        self.take_over()
        self.scan()
        self.assertEqual(self.program.ask("breaker mock")["breaker"], "open")
        self.rules(rule("Second", "hatpin"))
        self.take_over()
        self.assertEqual(self.program.ask("breaker mock")["breaker"], "open")

    def test_under_load(self):
        """No scan fails, each is judged by one configuration as a whole, nothing is left over.
        Content whose type is told at once, and no quarantine: all else is the load's own cost."""
        self.path = self.write("file", b"\x89PNG\r\n\x1a\n a needle " + bytes(9000))
        configs = []
        for number in range(2):
            self.rules(rule(f"Rule{number}", "needle"))
            folder = self.folder / f"rules{number}"
            folder.mkdir()
            (folder / "own.yar").write_text(rule(f"Rule{number}", "needle"))
            self.use(yara(rules=[str(folder)], workers=2), mock(default=f"infected:Mock{number}"),
                     policy={"preset": ("monitor", "strict")[number]},
                     audit={"sync": "none"}, quarantine={"enabled": False}, limits={"max_in_flight": 1000})
            configs.append(self.folder / f"{number}.yaml")
            configs[-1].write_text(self.config.read_text())
        self.program.end()
        program = self.program = driver.Driver(configs[0], self.folder)
        program.open()
        wanted = ({"Rule0", "Mock0", "allow_with_warning"}, {"Rule1", "Mock1", "quarantine"})
        tag, before = 0, None
        for number in range(ROUNDS):
            for _ in range(20):
                program.send(f"path {self.path} tag={tag}")
                tag += 1
            program.send(f"reconfigure {configs[(number + 1) % 2]}")
            for _ in range(20):
                program.send(f"path {self.path} tag={tag}")
                tag += 1
            program.send("wait")
            while "waited" not in (answer := program.read()):
                if "report" not in answer:
                    self.assertEqual(answer, {"reconfigured": True})
                    continue
                report = answer["report"]
                self.assertEqual(report["outcome"], "infected", answer)
                self.assertIn({t["name"] for t in report["threats"]} | {report["action"]}, wanted)
            if number == 2:
                before = program.ask("stats")  # everything has been open by now
        after, deadline = program.ask("stats"), time.monotonic() + PATIENCE
        # Threads of their own let go of what the last change replaced.
        while after["fds"] > before["fds"] + 8 and time.monotonic() < deadline:
            after = program.ask("stats")
        self.assertLessEqual(after["fds"], before["fds"] + 8)
        self.assertLessEqual(after["threads"], before["threads"] + 8)
        self.assertLessEqual(after["rss_kib"], before["rss_kib"] + 16 * 1024)
        self.assertLess(len(descendants(program.process.pid)), 16)


class Watch(ReconfigureCase):
    def setUp(self):
        super().setUp()
        (self.folder / "in").mkdir()

    def begin(self):
        process = self.start("watch", "--json", "in")
        self.said(process, b"watching")
        return process

    def said(self, process, words):
        for line in process.stderr:
            if words in line:
                return
        self.fail(f"{words} was not said")

    def arrives(self, process, name):
        self.write(f"in/{name}", b"a needle " + name.encode())
        return json.loads(process.stdout.readline())

    def test_edits(self):
        """What another configuration judged is judged again; what is refused changes nothing."""
        process = self.begin()
        report = self.arrives(process, "one")
        self.assertEqual((report["file"]["name"], report["action"]), ("one", "quarantine"))
        self.use(self.yara(), policy={"preset": "monitor"})
        process.send_signal(signal.SIGHUP)
        self.said(process, b"read anew")
        report = json.loads(process.stdout.readline())
        self.assertEqual((report["file"]["name"], report["action"]),
                         ("one", "allow_with_warning"))
        self.config.write_text("engines: [{name: broken")
        process.send_signal(signal.SIGHUP)
        self.said(process, b"stays as it was")
        report = self.arrives(process, "two")
        self.assertEqual((report["file"]["name"], report["action"]),
                         ("two", "allow_with_warning"))
        process.send_signal(signal.SIGTERM)
        self.assertEqual(process.wait(PATIENCE), 0)
        self.use(self.yara())
        self.assertEqual([r["error"] for r in self.records()], [None, "not_configured"])


if __name__ == "__main__":
    unittest.main()
