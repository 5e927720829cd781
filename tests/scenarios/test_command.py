# SPDX-License-Identifier: MIT
"""Command-line scanners as engines: the real clamscan, and scripts that are like others."""
import json
import os
import stat
import subprocess
import unittest

from support import harness
from support.harness import CLEAN, INFECTED, SCANBRIDGE, engines_built, needs, samples

CLAMSCAN = "/usr/bin/clamscan"
SANDBOXES = ("none", "bwrap")


@needs("command" in engines_built(), "built without the engine command")
class CommandCase(harness.Case):
    def script(self, text, name="scanner"):
        """A shell script as scanner; its path."""
        path = self.write(name, b"#!/bin/sh\n" + text.encode())
        path.chmod(0o755)
        return str(path)

    def command(self, text=None, **settings):
        engine = {"name": "cli", "type": "command", "self_test": "off"}
        if text is not None:
            engine["argv"] = [self.script(text), "{}"]
        return engine | settings

    def verdict(self, *arguments, **options):
        report = self.scan(*(arguments or [str(self.write("note.txt"))]), **options).report
        error = report["error"]
        return error["kind"] if error else report["outcome"]


@needs(os.access(CLAMSCAN, os.X_OK), "clamscan is not installed")
class Clamscan(CommandCase):
    """The preset with a few signatures of our own: loading all takes half a minute."""

    def setUp(self):
        super().setUp()
        (self.folder / "db").mkdir()
        (self.folder / "db/eicar.ndb").write_text(samples.eicar_signature())
        if signatures := samples.testfile_signatures():
            (self.folder / "db/testfiles.hdb").write_text(signatures)

    def clamscan(self, *more, **settings):
        database = f"--database={self.folder / 'db'}"
        return self.command(
            preset="clamscan", self_test="eicar",
            argv=["clamscan", "--no-summary", "--stdout", "--alert-exceeds-max=yes",
                  "--alert-encrypted=yes", database, *more, "{}"],
            version_command=["clamscan", "--version", database]) | settings

    def test_verdicts_and_names(self):
        samples.write_folder(self.folder / "in")
        for sandbox in SANDBOXES:
            self.configure(self.clamscan(sandbox=sandbox), cache={"enabled": False})
            reports = self.scan("in", "--no-quarantine").by_name()
            for name, report in reports.items():
                with self.subTest(f"{sandbox} {name}"):
                    wanted = "infected" if "eicar" in name else "clean"
                    if report["error"]:
                        self.assertIn(report["error"]["kind"], ("encrypted", "corrupt"))
                    else:
                        self.assertEqual(report["outcome"], wanted)
                    if report["outcome"] == "infected":
                        self.assertEqual(report["threats"][0]["name"],
                                         "Eicar-Test-Signature.UNOFFICIAL")
            self.assertGreater(len(reports), 3)
            self.assertEqual(os.listdir(self.data / "command"), [])

    def test_what_it_could_not_look_at_is_an_error_by_name(self):
        self.write("a", os.urandom(100_000))
        self.configure(self.clamscan("--max-filesize=50K", "--max-scansize=60K"))
        report = self.scan("a", status=2).report
        self.assert_outcome(report, "error", kind="limit_exceeded", engine="cli")

    def test_known_answers_and_version(self):
        self.configure(self.clamscan())
        result = self.run_program("engines", "--check")
        self.assertEqual(result.status, 0, str(result))
        report = self.scan(str(self.write("a")), status=0).report
        self.assertRegex(report["engines"][0]["engine_version"], r"^\d+\.\d+\.\d+$")
        self.assertTrue(self.scan(str(self.write("a"))).report["cached"])

    def test_without_a_database_it_is_an_error(self):
        (self.folder / "none").mkdir()
        self.configure(self.clamscan(f"--database={self.folder / 'none'}"))
        for data in (CLEAN, INFECTED):
            report = self.scan(str(self.write("a", data)), status=2).report
            self.assert_outcome(report, "error", kind="engine_unavailable", engine="cli")
            self.assertIn("status 2", report["error"]["message"])

    def test_names_of_files_never_reach_it(self):
        names = ("-rf", "--database=x", "$(touch gone)", "a;touch gone", "\n", "x FOUND", "..a")
        for name in names:
            self.write(f"in/{name}", INFECTED)
        self.configure(self.clamscan())
        reports = self.scan("in", "--no-quarantine", status=1).by_name()
        self.assertEqual(len(reports), len(names))
        self.assertEqual({report["outcome"] for report in reports.values()}, {"infected"})
        self.assertFalse((self.folder / "gone").exists())

    def test_larger_than_the_preset_allows(self):
        with open(self.folder / "large", "wb") as file:
            file.truncate((100 << 20) + 1)
        self.configure(self.clamscan())
        self.assertEqual(self.verdict("large", status=2), "file_too_large")


class Verdicts(CommandCase):
    def test_statuses(self):
        lists = {"clean_exit": [0, 10], "infected_exit": [1, 11], "suspicious_exit": [4],
                 "unsupported_exit": [5], "error_exit": [2, 255]}
        wanted = {0: "clean", 10: "clean", 1: "infected", 11: "infected", 4: "suspicious",
                  5: "unsupported", 2: "engine_unavailable", 255: "engine_unavailable",
                  3: "protocol_error", 126: "protocol_error", 128: "protocol_error",
                  139: "engine_crashed", 192: "engine_crashed", 193: "protocol_error"}
        for sandbox in SANDBOXES:
            for status, verdict in wanted.items():
                with self.subTest(f"{sandbox} {status}"):
                    self.configure(self.command(f"exit {status}", sandbox=sandbox,
                                                retry={"attempts": 1}, **lists))
                    self.assertEqual(self.verdict(), verdict)

    def test_what_it_prints_never_makes_anything_clean_or_infected(self):
        for text, verdict in (("echo OK; exit 3", "protocol_error"),
                              ("echo x: A FOUND; exit 0", "clean"),
                              ("echo OK; exit 1", "infected")):
            self.configure(self.command(text, threat_pattern="(A) FOUND"))
            self.assertEqual(self.verdict(), verdict, text)

    def test_complaints_are_shown(self):
        self.configure(self.command("printf 'no \\033[31mlicence\\nmore' >&2; exit 7"))
        message = self.scan(str(self.write("a")), status=2).report["error"]["message"]
        self.assertIn("status 7 stands in none", message)
        self.assertIn("no \\x1b[31mlicence", message)
        self.assertNotIn("more", message)

    def test_json(self):
        """The contract of external scanners: the path last, a request on standard input."""
        reply = {"def_time": 1700000000000, "scan_result_i": 1, "threat_found": "Bad.Thing"}
        self.configure(self.command(
            "read -r request; case $request in '{\"file_info\":{\"file_size\":4}'*) ;; "
            f"*) exit 9;; esac; [ \"$1\" = -x ] && [ -f \"$2\" ] && echo '{json.dumps(reply)}'",
            output="json") | {"argv": [str(self.folder / "scanner"), "-x"]})
        report = self.scan(str(self.write("a", b"four")), status=1).report
        self.assert_outcome(report, "infected")
        self.assertEqual(report["threats"][0]["name"], "Bad.Thing")


class Surroundings(CommandCase):
    """What a scanner sees, and what it doesn't."""

    def seen(self, look, **settings):
        """What a script's `look` prints."""
        self.configure(self.command(f"exec 2>&1; {look}; exit 7", **settings),
                       cache={"enabled": False})
        # Only the complaint is shown.
        self.script(f"exec 1>&2; {look}; exit 7")
        message = self.scan(str(self.write("note.txt")), status=2).report["error"]["message"]
        return message.split("lists *_exit", 1)[1].removeprefix(": ")

    def test_the_copy_is_private_and_read_only(self):
        for sandbox in SANDBOXES:
            words = self.seen('stat -c %a "$1" "${1%/*}" . | tr "\\n" " "; echo "$1" "$PWD"',
                              sandbox=sandbox).split()
            self.assertEqual(words[:3], ["400", "700", "700"])
            self.assertRegex(words[3], rf"^{self.data}/command/[0-9a-f]{{32}}/content$")
            self.assertEqual(words[4], words[3].replace("/content", "/work"))

    def test_only_what_is_wanted_is_in_the_environment(self):
        os.environ["SECRET_OF_OURS"], os.environ["WANTED"] = "s3cret", "yes"
        self.addCleanup(os.environ.pop, "SECRET_OF_OURS")
        self.addCleanup(os.environ.pop, "WANTED")
        for sandbox in SANDBOXES:
            text = self.seen("env | sort | cut -c 1-20 | tr '\\n' ' '", sandbox=sandbox,
                             environment=["WANTED", "GIVEN=a b", "MISSING"])
            names = [word.split("=")[0] for word in text.split() if "=" in word]
            self.assertLessEqual(set(names), {"WANTED", "GIVEN", "PATH", "LC_ALL", "HOME",
                                              "TMPDIR", "PWD", "SHLVL", "_", "OLDPWD"})
            self.assertIn("WANTED=yes", text)
            self.assertIn("GIVEN=a b", text)
            self.assertNotIn("s3cret", text)

    def test_extension(self):
        for name, kept in (("a.docx", "content.docx"), ("a.d-x", "content"), ("a", "content"),
                           (".docx", "content"), ("a.", "content"), ("a.tar.gz", "content.gz"),
                           ("a.verylongone", "content"), ("a.7z", "content.7z")):
            for wanted in (True, False):
                self.configure(self.command('echo "${1##*/}" >&2; exit 7', keep_extension=wanted))
                message = self.scan(str(self.write(f"in/{name}"))).report["error"]["message"]
                self.assertTrue(message.endswith(f": {kept if wanted else 'content'}"), message)

    def test_descriptor(self):
        """Small content is sealed memory, large content a copy: neither can be written."""
        for size in (5, 20 << 20):
            for sandbox in SANDBOXES:
                self.configure(self.command(
                    f'[ "$(wc -c <"$1")" = {size} ] || exit 9; '
                    '(echo x >>"$1") 2>/dev/null; exit 0', input="descriptor", sandbox=sandbox))
                self.assertIn(self.verdict(str(self.write("a", bytes(size)))),
                              ("clean", "protocol_error"))
                self.assertEqual(os.listdir(self.data / "command"), [])
                self.assertEqual((self.folder / "a").stat().st_size, size)

    def test_the_sandbox(self):
        """Nothing can be written but in its folder, our data can't be seen, nobody is there."""
        (self.folder / "data").mkdir()
        (self.folder / "data/audit.secret").write_text("x")
        looks = (("touch /tmp/x 2>/dev/null && echo wrote", ""),
                 (f"touch {self.folder}/x 2>/dev/null && echo wrote", ""),
                 ("(echo a >\"$1\") 2>/dev/null; touch x && echo here", "here"),
                 (f"cat {self.data}/audit.secret 2>/dev/null", ""),
                 ("ls -d /proc/[0-9]* | wc -l | grep -c -e '^[0-9]$'", "1"),
                 ("grep -c -v -e lo: -e '|' /proc/net/dev", "0"),
                 ("grep CapEff /proc/self/status | tr -d '\\t'", "CapEff:0000000000000000"),
                 ("grep NoNewPrivs /proc/self/status | tr -d '\\t'", "NoNewPrivs:1"))
        for look, wanted in looks:
            self.assertEqual(self.seen(look, sandbox="bwrap"), wanted, look)

    def test_a_sandbox_that_does_not_work(self):
        """Where bubblewrap can do nothing, `auto` goes on without and `bwrap` does not."""
        without = ["unshare", "-Ur", "sh", "-c",
                   'echo 0 >/proc/sys/user/max_mnt_namespaces && exec "$@"', "sh"]
        if subprocess.run([*without, "true"], capture_output=True).returncode != 0:
            self.skipTest("no user namespaces")
        note = self.write("note.txt")

        def run(*words):
            return subprocess.run([*without, SCANBRIDGE, "--config", self.config, *words],
                                  capture_output=True, text=True, env=self.environment())
        for sandbox, status in (("auto", 0), ("none", 0), ("bwrap", 2)):
            self.configure(self.command("exit 0", sandbox=sandbox))
            done = run("scan", note, note)
            self.assertEqual(done.returncode, status, done)
            told = done.stderr.count("sandbox: /usr/bin/bwrap does not work here")
            self.assertEqual(told, sandbox != "none", done.stderr)
            self.assertEqual(done.stderr.count("engine cli runs without a sandbox"),
                             sandbox == "auto", done.stderr)
            if status == 0:
                self.told_by_engines(run, sandbox == "auto")

    def told_by_engines(self, run, told):
        for options in ([], ["--check"]):
            self.assertEqual(run("engines", *options).stdout.count("cli: runs without a sandbox"),
                             told)
        note = json.loads(run("engines", "--json").stdout)["note"]
        self.assertEqual(note is not None, told, note)
        for words in ("bwrap does not work here", "install bubblewrap", "sandbox: none"):
            self.assertIn(words, note or words)

    def test_modes_whatever_the_umask(self):
        self.configure(self.command("exit 0"))
        self.scan(str(self.write("a")), status=0, preexec_fn=lambda: os.umask(0o777))
        mode = stat.S_IMODE((self.data / "command").stat().st_mode)
        self.assertEqual(mode, 0o700)


class Identity(CommandCase):
    def test_a_changed_version_is_asked_again(self):
        version = self.write("version", b"Scanner 1, signatures 7\n")
        self.configure(self.command("exit 0", version_command=["cat", str(version)]))
        note = str(self.write("note.txt"))
        first = self.scan(note, status=0).report
        self.assertEqual(first["engines"][0]["engine_version"], "Scanner 1, signatures 7")
        self.assertTrue(self.scan(note, status=0).report["cached"])
        version.write_text("Scanner 1, signatures 8\n")
        self.assertFalse(self.scan(note, status=0).report["cached"])
        self.assertTrue(self.scan(note, status=0).report["cached"])

    def test_a_changed_program_is_asked_again(self):
        self.configure(self.command("exit 0"))
        note = str(self.write("note.txt"))
        self.scan(note, status=0)
        self.assertTrue(self.scan(note, status=0).report["cached"])
        self.script("exit 1 # another one")
        report = self.scan(note, status=1).report
        self.assert_outcome(report, "infected")
        self.assertFalse(report["cached"])

    def test_nobody_knows_who_it_is(self):
        """A version command that fails: answers are not remembered."""
        self.configure(self.command("exit 0", version_command=["false"]))
        note = str(self.write("note.txt"))
        for _ in range(2):
            self.assertFalse(self.scan(note, status=0).report["cached"])


class Configuration(CommandCase):
    def test_contradictions(self):
        rows = (({"argv": ["true"]}, "one argument must hold {}"),
                ({}, "argv: the program and its arguments are needed"),
                ({"argv": ["true", "{}"], "clean_exit": [1]}, None),
                ({"argv": ["true", "{}"], "clean_exit": [1], "infected_exit": [1]},
                 "infected_exit: status 1 has another meaning already"),
                ({"argv": ["true", "{}"], "clean_exit": [128]}, "statuses above 127"),
                ({"argv": ["true", "{}"], "infected_exit": [139]}, "statuses above 127"),
                ({"argv": ["true", "{}"], "clean_exit": [256]}, "out of range"),
                ({"argv": ["true", "{}"], "clean_exit": [-1]}, "out of range"),
                ({"argv": ["true", "{}"], "input": "stdin"}, "no path to put in place of {}"),
                ({"argv": ["true"], "input": "stdin", "output": "json"}, "doesn't go with"),
                ({"argv": ["true", "{}"], "threat_pattern": "("}, "threat_pattern: at character"),
                ({"argv": ["true", "{}"], "environment": ["=x"]}, "NAME or NAME=VALUE"),
                ({"argv": ["true", "{}"] + ["x"] * 200}, "up to 128 words"),
                ({"argv": ["true", "{}"], "max_output": "1KiB"}, None),
                ({"argv": ["true", "{}"], "max_output": 1}, "out of range"))
        for settings, words in rows:
            with self.subTest(settings=settings):
                self.configure(self.command(sandbox="none", **settings))
                result = self.run_program("scan", str(self.write("a")))
                if words is None:
                    self.assertNotIn("scanbridge.yaml", result.errors)
                else:
                    self.assertEqual(result.status, 2, str(result))
                    self.assertIn(words, result.errors)


if __name__ == "__main__":
    unittest.main()
