# SPDX-License-Identifier: MIT
"""Help, versions, configuration and hashes: one clear message with place and remedy, and the
right status."""
import os
import re
import subprocess
import unittest

from support import harness
from support.harness import SCANBRIDGE, mock

COMMANDS = ["scan", "engines", "audit verify", "audit show", "audit export", "config check",
            "config show", "config init", "cache stats", "cache lookup", "cache forget",
            "cache clear", "rules list", "rules import", "rules rollback", "rules build",
            "rules keygen", "hash", "completion"]


class Help(harness.Case):
    def test_every_command_has_help(self):
        for words in ["", *COMMANDS]:
            with self.subTest(words):
                result = self.run_program(*words.split(), "--help")
                self.assertEqual((result.status, result.errors), (0, ""), str(result))
                self.assertIn("Usage: scanbridge", result.text)
                self.assertIn(words, result.text)
                self.assertLessEqual(max(map(len, result.text.splitlines())), 100)

    def test_program_help_lists_every_command(self):
        text = self.run_program("--help").text
        for command in COMMANDS:
            self.assertIn(f"  {command}", text)

    def test_version(self):
        result = self.run_program("--version")
        self.assertEqual(result.status, 0)
        self.assertRegex(result.text, r"^scanbridge \d+\.\d+\.\d+")
        for engine in ("clamd", "hashlist", "mock"):
            self.assertIn(engine, result.text)

    def test_nothing_asked(self):
        result = self.run_program()
        self.assertEqual((result.status, result.text), (2, ""))
        self.assertIn("Usage", result.errors)

    def test_mistakes_are_named(self):
        for words, wanted in (("scna x", "scan"), ("scan --jsno x", "--json"),
                              ("scan --jobs none x", "--jobs"),
                              ("scan --timeout 5 x", "--timeout"),
                              ("scan --max-size lots x", "--max-size"),
                              ("scan --policy strcit x", "strict"),
                              ("scan --engine nobody x", "nobody"),
                              ("--log-level loud scan x", "--log-level"),
                              ("scan -- - -", "standard input"),
                              ("scan --meta novalue x", "--meta")):
            with self.subTest(words):
                result = self.run_program(*words.split())
                self.assertEqual((result.status, result.text), (2, ""), str(result))
                self.assertIn(wanted, result.errors)

    def test_what_is_not_built_yet_is_refused_by_name(self):
        for words in ("serve", "audit init",
                      "audit verify --key key.pub", "audit verify --anchor anchor"):
            with self.subTest(words):
                result = self.run_program(*words.split())
                self.assertEqual(result.status, 2)
                self.assertIn("not available in this build", result.errors)

    def test_a_closed_output_is_an_error(self):
        self.write("letter.txt")
        with open("/dev/full", "wb") as full:
            process = self.start("scan", "--json", "letter.txt", stdout=full)
            self.assertEqual(self.finish(process).status, 2)


class Configuration(harness.Case):
    def check(self, text, *wanted):
        self.config.write_text(text)
        result = self.run_program("config", "check")
        self.assertEqual(result.status, 1, str(result))
        told = result.text + result.errors
        for word in wanted:
            self.assertIn(word, told, str(result))
        # And nothing else works with it.
        self.write("letter.txt")
        self.assertEqual(self.scan("letter.txt").status, 2)
        return told

    def test_broken_yaml(self):
        self.check("limits: {max_size: 1GiB\nengines: [\n", "scanbridge.yaml:")

    def test_a_place_comes_with_line_and_column(self):
        told = self.check("limits:\n  timeout: 30s\n  max_sizee: 1GiB\n", "max_sizee",
                          "max_size")
        self.assertRegex(told, r"scanbridge\.yaml:3:\d+: ")

    def test_unknown_key_with_suggestion(self):
        self.check("engnes: []\n", "engnes", "did you mean", "engines")

    def test_duplicate_key(self):
        told = self.check("limits: {timeout: 1s}\nlimits: {timeout: 2s}\n", "limits")
        self.assertRegex(told, r"scanbridge\.yaml:2:\d+: .*(twice|duplicate|again|already)")

    def test_duplicate_engine(self):
        self.check("engines:\n  - {name: a, type: mock}\n  - {name: a, type: mock}\n", "a")

    def test_wrong_unit(self):
        for text, wanted in (("limits: {timeout: 30}\n", "timeout"),
                             ("limits: {timeout: 30q}\n", "timeout"),
                             ("limits: {max_size: 1GB}\n", "max_size"),
                             ("limits: {max_size: many}\n", "max_size"),
                             ("limits: {max_size: -1}\n", "max_size"),
                             ("audit: {enabled: yes}\n", "enabled")):
            with self.subTest(text):
                self.check(text, wanted, "scanbridge.yaml:1:")

    def test_unknown_engine_type(self):
        self.check("engines: [{name: a, type: clmd}]\n", "clmd", "clamd")

    def test_what_is_not_available(self):
        self.check("listeners: [{type: http, address: \"127.0.0.1:8080\"}]\n",
                   "not available in this build")

    def test_what_is_off_passes(self):
        self.config.write_text("quarantine: {enabled: false}\ncache: {enabled: false}\n"
                               "isolation: none\nengines:\n  - {name: a, type: mock, "
                               "retry: {attempts: 1}, breaker: {preset: \"off\"}}\n")
        result = self.run_program("config", "check")
        self.assertEqual(result.status, 0, str(result))

    def test_no_file(self):
        self.config.unlink()
        result = self.run_program("config", "check")
        self.assertEqual(result.status, 2, str(result))
        self.assertIn(str(self.config), result.errors)

    def test_show_can_be_checked_and_shows_the_same_again(self):
        self.configure(mock(), limits={"timeout": "7s"})
        shown = self.run_program("config", "show")
        self.assertEqual(shown.status, 0, str(shown))
        self.assertIn("7s", shown.text)
        self.config.write_bytes(shown.out)
        checked = self.run_program("config", "check")
        self.assertEqual(checked.status, 0, f"{shown.text}\n{checked}")
        again = self.run_program("config", "show")
        self.assertEqual(self.settings_of(again), self.settings_of(shown))

    @staticmethod
    def settings_of(shown):
        """Comments tell of defaults, which are no longer defaults once they are written down."""
        return [line for line in shown.text.splitlines() if not line.startswith("#")]

    def test_passwords_are_hidden(self):
        self.configure(containers={"passwords": ["swordfish"]})
        shown = self.run_program("config", "show")
        self.assertEqual(shown.status, 0, str(shown))
        self.assertIn("passwords: [***]", shown.text)
        self.write("letter.txt")
        result = self.run_program("scan", "--json", "--archive-password", "sardine", "letter.txt")
        self.assertEqual(result.status, 0, str(result))
        for text in (str(shown), result.text, result.errors,
                     (self.data / "audit.jsonl").read_text()):
            self.assertNotIn("swordfish", text)
            self.assertNotIn("sardine", text)

    def test_starter_file(self):
        starter = self.folder / "starter.yaml"
        self.assertEqual(self.run_program("config", "init", starter).status, 0)
        text = starter.read_text()
        self.assertIn("#", text)
        result = self.run_program("config", "check", starter)
        self.assertEqual(result.status, 0, str(result))
        again = self.run_program("config", "init", starter)
        self.assertNotEqual(again.status, 0)
        self.assertEqual(starter.read_text(), text)

    def test_where_it_is_looked_for(self):
        self.write("letter.txt")
        for number, variable in enumerate(("SCANBRIDGE_CONFIG", "XDG_CONFIG_HOME")):
            with self.subTest(variable):
                value = self.config
                if variable == "XDG_CONFIG_HOME":
                    value = self.folder / "home"
                    (value / "scanbridge").mkdir(parents=True)
                    (value / "scanbridge/scanbridge.yaml").write_bytes(self.config.read_bytes())
                done = subprocess.run([SCANBRIDGE, "config", "show"], capture_output=True,
                                      text=True, env=self.environment() | {variable: str(value)})
                self.assertEqual(done.returncode, 0, done.stderr)
                self.assertRegex(done.stdout, r"type: \"?mock")


class Hashes(harness.Case):
    def test_like_b3sum(self):
        for name, data in (("empty", b""), ("one", b"x"), ("large", os.urandom(3_000_000)),
                           ("odd\\na me", b"y"), (b"two\nlines", b"z")):
            self.write(name, data)
        names = sorted(os.listdir(os.fsencode(self.folder)))
        names = [name for name in names if name != b"scanbridge.yaml"]
        wanted = subprocess.run(["b3sum", *names], cwd=self.folder, capture_output=True,
                                check=True)
        result = self.run_program("hash", *map(os.fsdecode, names))
        self.assertEqual(result.status, 0, str(result))
        self.assertEqual(result.out, wanted.stdout)

    def test_other_digests(self):
        path = self.write("file", os.urandom(100_000))
        for option, tool in (("--sha256", "sha256sum"), ("--md5", "md5sum")):
            wanted = subprocess.run([tool, path], capture_output=True, text=True, check=True)
            result = self.run_program("hash", option, path)
            self.assertEqual(result.text.split()[0], wanted.stdout.split()[0], str(result))

    def test_missing(self):
        result = self.run_program("hash", "missing")
        self.assertEqual(result.status, 1)
        self.assertIn("missing", result.errors)


class Summary(harness.Case):
    def test_counts(self):
        for name in ("a", "b", "c"):
            self.write(f"in/{name}", name.encode())
        result = self.run_program("scan", "in")
        self.assertEqual((result.status, result.text), (0, ""), str(result))
        self.assertRegex(result.errors, r"\b3\b")
        self.assertEqual(len(re.findall(r"\x1b", result.errors)), 0)

    def test_quiet(self):
        self.write("a")
        result = self.run_program("scan", "--quiet", "a")
        self.assertEqual((result.status, result.text, result.errors), (0, "", ""))

    def test_verbose_names_every_file(self):
        self.write("in/a")
        self.write("in/b")
        lines = self.run_program("scan", "--verbose", "in").text.splitlines()
        self.assertEqual(len(lines), 2)
        for line in lines:
            self.assertRegex(line, r"^in/[ab]: clean")

    def test_context_reaches_the_report_and_the_log(self):
        self.write("a")
        report = self.scan("--tenant", "T1", "--user", "U1", "--request-id", "R1", "--source",
                           "mail", "--meta", "queue=7", "a", status=0).report
        self.assertEqual(report["context"], {"tenant_id": "T1", "user_id": "U1",
                                             "request_id": "R1", "source": "mail",
                                             "metadata": {"queue": "7"}})
        records = [r for r in self.verify_audit() if r.get("scan_id") == report["id"]]
        self.assertTrue(any(r.get("tenant_id") == "T1" for r in records), records)


if __name__ == "__main__":
    unittest.main()
