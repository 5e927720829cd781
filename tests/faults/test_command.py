#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Faults of a command-line scanner as cells (safety.md E1): whatever a program may do to its host,
times content that it knows or not, times a required or an optional engine, with and without the
sandbox, times the first try, a second one, and the probe of a half-open breaker. In every cell: the
named error, no clean that depends on it, no later than the deadline and 250 ms; and in the end no
process, descriptor, thread or file is left."""
import contextlib
import os
import pathlib
import shutil
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from support import driver, harness  # noqa: E402
from support.harness import ROOT, engines_built, mock, needs  # noqa: E402

CRASH, NONSENSE, LATE = {"engine_crashed"}, {"protocol_error"}, {"timeout"}
FAULTS = {"hang": LATE, "deaf": LATE, "bomb": LATE, "closes": LATE, "stop": LATE,
          "flood-out": NONSENSE, "flood-err": NONSENSE, "flood-both": NONSENSE,
          "segv": CRASH, "abort": CRASH, "kill": CRASH, "shell-139": CRASH,
          "garbage": NONSENSE, "wrong": NONSENSE, "answers-itself": NONSENSE,
          "failure": {"engine_unavailable"}, "cannot": {"unsupported"},
          "delete": NONSENSE, "change": NONSENSE}
JSON_FAULTS = {"half": NONSENSE, "empty": NONSENSE, "no": NONSENSE, "twice": NONSENSE,
               "missing": NONSENSE, "text": NONSENSE, "stranger": NONSENSE, "both": NONSENSE,
               "failed": {"engine_unavailable"}, "unscanned": {"unsupported"},
               "garbage": {"engine_unavailable"}, "hang": LATE, "flood-out": NONSENSE,
               "delete": NONSENSE | {"engine_unavailable"}, "segv": CRASH}
TIMEOUT_MS = 20_000  # for what ends by itself, however busy the machine is
SHORT_MS = 600  # for what does not
BUILT = "command" in engines_built()


@needs(BUILT, "built without the engine command")
class CommandCase(harness.Case):
    """A host program with one command engine, and a mock that finds everything clean."""

    def setUp(self):
        super().setUp()
        self.scanner = self.folder / "scanner"
        shutil.copy(ROOT / "tests/faults/command_scanner.py", self.scanner)
        self.scanner.chmod(0o755)

    def command(self, **settings):
        return {"name": "cli", "type": "command", "argv": [str(self.scanner), "{}"],
                "suspicious_exit": [4], "unsupported_exit": [3], "error_exit": [2],
                "threat_pattern": r"^.*?: (\S+) FOUND$", "timeout": f"{TIMEOUT_MS}ms",
                "self_test": "off", "breaker": {"preset": "off"}} | settings

    def start_driver(self, **settings):
        self.configure(self.command(**settings), mock(), cache={"enabled": False},
                       audit={"enabled": False}, quarantine={"enabled": False})
        program = driver.Driver(self.config, self.folder)
        self.addCleanup(lambda: self.assertIsNone(program.end()))
        program.open()
        return program

    # --- one cell --------------------------------------------------------------------------
    def judge(self, program, data, limit=TIMEOUT_MS):
        path = self.write("content", data)
        report = program.scan(f"path {path} timeout={limit}")
        return report, next(e for e in report["engines"] if e["engine"] == "cli")

    def cell(self, program, role, word, kinds, found, extra=""):
        limit = SHORT_MS if kinds == LATE else TIMEOUT_MS
        text = f"fault: {word}\n{role} {extra}{' needle' if found else ''}\n"
        report, entry = self.judge(program, text.encode(), limit)
        self.assertEqual(entry["outcome"], "error", report)
        self.assertIn(entry["error"]["kind"], kinds, report)
        self.assertTrue(entry["error"]["message"])
        self.assertLessEqual(report["duration_ms"], limit + 250)
        # The mock has looked at all of it: with an optional scanner that is enough.
        self.assertEqual(report["outcome"], "error" if role == "required" else "clean", report)
        return entry

    def settled(self, program):
        """Honest content is judged as ever; nothing is left of what was not."""
        for data, outcome in ((b"nothing", "clean"), (b"a needle", "infected"),
                              (b"fault: survivor\nnothing", "clean"),
                              (b"fault: survivor\na needle", "infected"),
                              (b"fault: odd\n", "suspicious")):
            report, entry = self.judge(program, data)
            self.assertEqual(entry["outcome"], outcome, report)
            if outcome == "infected":
                self.assertEqual(entry["threats"][0]["name"], "Needle.Found")
        self.assertEqual(os.listdir(self.data / "command"), [])
        self.assertEqual(self.processes(), [])
        return program.ask("stats")

    def processes(self):
        """Processes that were started with anything of this test's folder, but for the host."""
        found = []
        for path in pathlib.Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                words = (path / "cmdline").read_bytes()
                if str(self.folder).encode() in words and b"scan_driver" not in words:
                    found.append((path.name, words))
        return found


class Cells(CommandCase):
    def play(self, faults, scan, *, role, **settings):
        program = self.start_driver(role=role, **settings)
        before = self.settled(program) if settings.get("output") != "json" else None
        for word, kinds in faults.items():
            for found in (False, True):
                with self.subTest(f"{settings.get('sandbox')} {role} {word} {found}"):
                    scan(program, role, word, kinds, found)
        if before is None:
            return
        after = self.settled(program)
        self.assertLessEqual(after["fds"], before["fds"] + 4)
        self.assertLessEqual(after["threads"], before["threads"] + 4)

    def test_first_try(self):
        for role in ("required", "optional"):
            self.play(FAULTS, self.cell, role=role, sandbox="none", retry={"attempts": 1})

    def test_in_the_sandbox(self):
        for role in ("required", "optional"):
            self.play(FAULTS, self.cell, role=role, sandbox="bwrap", retry={"attempts": 1})

    def test_json(self):
        for role, sandbox in (("required", "none"), ("optional", "bwrap")):
            self.play(JSON_FAULTS, self.cell, role=role, sandbox=sandbox, output="json",
                      argv=[str(self.scanner), "--json"], retry={"attempts": 1})

    def test_second_try(self):
        tries = {}

        def scan(program, role, word, kinds, found):
            entry = self.cell(program, role, word, kinds, found, "again")
            tries.setdefault(word, set()).add(entry["attempts"])
        for role in ("required", "optional"):
            self.play(FAULTS, scan, role=role, sandbox="none",
                      retry={"attempts": 2, "initial": "1ms"})
        self.assertEqual(tries["segv"], {2})
        self.assertEqual(tries["cannot"], {1})

    def test_half_open_probe(self):
        """The probe meets the fault: it opens again, and honest content closes it."""
        counted = {word: kinds for word, kinds in FAULTS.items() if kinds != {"unsupported"}}

        def half_open(program):
            while program.ask("breaker cli")["breaker"] == "open":
                pass

        def scan(program, role, word, kinds, found):
            program.ask("breaker cli open")
            program.ask("breaker cli reset")
            opened = program.ask("breaker cli")["opened"]
            self.cell(program, role, word, kinds, found, "first")
            self.assertEqual(program.ask("breaker cli")["opened"], opened + 1)
            half_open(program)
            self.cell(program, role, word, kinds, found, "probe")
            self.assertEqual(program.ask("breaker cli")["opened"], opened + 2)
            half_open(program)
            report, _ = self.judge(program, f"{word}{found}".encode())
            self.assertEqual(report["outcome"], "clean")
            self.assertEqual(program.ask("breaker cli")["breaker"], "closed")

        for role in ("required", "optional"):
            self.play(counted, scan, role=role, sandbox="none", retry={"attempts": 1},
                      breaker={"failure_threshold": 1, "success_threshold": 1, "open": "20ms",
                               "max_open": "20ms"})


class Programs(CommandCase):
    """The program itself is not what it was."""

    def refused(self, program, words):
        report, entry = self.judge(program, os.urandom(8))
        self.assertEqual(report["outcome"], "error")
        self.assertEqual(entry["error"]["kind"], "engine_unavailable", report)
        self.assertIn(words, entry["error"]["message"])

    def test_lost_or_replaced_between_open_and_scan(self):
        for sandbox in ("none", "bwrap"):
            program = self.start_driver(sandbox=sandbox, retry={"attempts": 1})
            text = self.scanner.read_bytes()
            self.assertEqual(self.judge(program, b"needle")[0]["outcome"], "infected")
            self.scanner.unlink()
            self.refused(program, "No such file")
            self.scanner.write_bytes(text)
            self.scanner.chmod(0o644)
            self.refused(program, "not executable")
            self.scanner.chmod(0o757)
            self.refused(program, "written by other users")
            self.scanner.chmod(0o755)
            for rest in (b"", b"\n", b"exit 0\n", b"\x7fELF"):
                self.scanner.write_bytes(rest)
                self.refused(program, "neither a program nor a script")
            self.scanner.write_bytes(text)
            self.assertEqual(self.judge(program, b"needle")[0]["outcome"], "infected")

    def test_not_fit_from_the_start(self):
        self.scanner.chmod(0o644)
        rows = ((self.command(), "is not executable"),
                (self.command(argv=[str(self.folder / "none"), "{}"]), "No such file"),
                (self.command(argv=["no-such-scanner", "{}"]), "no program `no-such-scanner`"),
                (self.command(argv=["./scanner", "{}"]), "a name or an absolute path"),
                (self.command(argv=[str(self.folder), "{}"]), "not a regular file"))
        for engine, words in rows:
            self.configure(engine)
            result = self.run_program("scan", self.write("a"))
            self.assertEqual(result.status, 2, str(result))
            self.assertIn(words, result.errors)


class Standard(CommandCase):
    """Through standard input: what was not read was not judged."""

    def test_stdin(self):
        large = bytes(3 << 20)
        for sandbox in ("none", "bwrap"):
            program = self.start_driver(argv=[str(self.scanner), "-"], input="stdin",
                                        sandbox=sandbox, retry={"attempts": 1})
            for data, outcome in ((large, "clean"), (large + b"needle", "infected"),
                                  (b"", "clean"), (b"x", "clean")):
                report, entry = self.judge(program, data)
                self.assertEqual(entry["outcome"], outcome, report)

    def test_content_that_nobody_read_is_not_clean(self):
        program = self.start_driver(argv=[str(self.scanner), "-"], input="stdin",
                                    environment=["UNREAD=1"], retry={"attempts": 1})
        for size in (1, 1000, 70_000, 3 << 20):
            report, entry = self.judge(program, b"x" * size)
            self.assertEqual(report["outcome"], "error", report)
            self.assertNotEqual(entry["coverage"]["state"], "complete")


class Leftovers(CommandCase):
    def test_a_host_that_is_killed_takes_the_scanner_with_it(self):
        """And what it left on disk goes when the next one starts."""
        for sandbox in ("none", "bwrap"):
            program = self.start_driver_unwatched(sandbox)
            program.send(f"path {self.write('content', b'fault: bomb')} tag=t timeout=60000")
            while len(self.processes()) < 20:
                pass
            program.kill()
            program.close()
            while self.processes():
                pass
            (self.data / "command/not-ours").mkdir(exist_ok=True)
            self.assertEqual(len(os.listdir(self.data / "command")), 2)
            other = self.start_driver(sandbox=sandbox)
            self.assertEqual(os.listdir(self.data / "command"), ["not-ours"])
            self.assertEqual(self.judge(other, b"x")[0]["outcome"], "clean")

    def start_driver_unwatched(self, sandbox):
        self.configure(self.command(sandbox=sandbox, timeout="60s"),
                       cache={"enabled": False}, audit={"enabled": False},
                       quarantine={"enabled": False})
        program = driver.Driver(self.config, self.folder)
        program.open()
        return program

    def test_others_at_work_are_left_alone(self):
        program = self.start_driver(timeout="60s")
        program.send(f"path {self.write('content', b'fault: hang')} tag=t")
        while not self.processes():
            pass
        mine = os.listdir(self.data / "command")
        self.assertEqual(len(mine), 1)
        other = self.start_driver()
        self.assertEqual(self.judge(other, b"x")[0]["outcome"], "clean")
        self.assertEqual(os.listdir(self.data / "command"), mine)
        program.send("cancel t")
        program.send("wait")
        while "waited" not in program.read():
            pass
        self.assertEqual(self.processes(), [])
        self.assertEqual(os.listdir(self.data / "command"), [])


if __name__ == "__main__":
    unittest.main()
