#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Faults of a plugin as cells (safety.md E1): what it may do to its host while it judges, times
content that it knows or not, times a required or an optional engine, times the first try, a second
one, and the probe of a half-open breaker; and what it may do while it is opened. In every cell: a
named error of this engine, no clean that depends on it, no later than the deadline and 250 ms, and
no process left in the end."""
import os
import pathlib
import subprocess
import sys
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from support import driver, harness, plugins  # noqa: E402
from support.harness import SCANBRIDGE, descendants, mock, needs  # noqa: E402

SANITIZED = SCANBRIDGE.exists() and any(word in SCANBRIDGE.read_bytes()
                                        for word in (b"__asan_init", b"__tsan_init"))
WHY_NOT = "the sanitizers handle faults themselves" if SANITIZED else plugins.unusable()
CRASH, NONSENSE, LATE = {"engine_crashed"}, {"protocol_error"}, {"timeout"}
FAULTS = {"fault": CRASH, "abort": CRASH, "leave": CRASH, "exit": CRASH, "memory": CRASH,
          "stack": CRASH, "socket": CRASH, "thread": CRASH,
          "garbage": NONSENSE, "long": NONSENSE, "state": NONSENSE | LATE, "unstated": NONSENSE,
          "nothing": NONSENSE, "early": NONSENSE, "much": NONSENSE, "odd": {"internal"},
          "fail": {"unsupported"}, "detections": {"limit_exceeded"},
          "loop": LATE, "doze": LATE}
AFTER_READY = "ended before it was ready"
OPEN_FAULTS = {"fault": [AFTER_READY, "signal 11 (SEGV)"],
               "abort": [AFTER_READY, "signal 6 (ABRT)"],
               "leave": [AFTER_READY, "with status 0"], "exit": [AFTER_READY, "with status 0"],
               "stack": [AFTER_READY, "signal 11"], "hangup": [AFTER_READY],
               "garble": ["can't be understood"], "loop": ["did not come up in 0.3 s"],
               "doze": ["did not come up in 0.3 s"], "odd": ["did not say why"]}
TIMEOUT_MS = 10_000  # for what ends by itself, however busy the machine is
SHORT_MS = 400  # for what does not
PATIENCE = harness.PATIENCE


@needs(WHY_NOT is None, WHY_NOT)
class PluginCase(harness.Case):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.guest = plugins.compiled(plugins.folder(cls.addClassCleanup), inside=True)

    def use(self, *more, **settings):
        self.configure(plugins.plugin(self.guest, **settings), *more,
                       decision={"min_assurance": "rules"}, cache={"enabled": False},
                       audit={"enabled": False}, quarantine={"enabled": False},
                       # What a process may take follows from these.
                       limits={"max_size": "16MiB"},
                       containers={"max_memory": "1MiB", "max_member": "1MiB"})

    def open(self):
        program = driver.Driver(self.config, self.folder)
        program.open()
        return program

    def end(self, program):
        """In order, and nothing of it is left: no process, no zombie."""
        family = descendants(program.process.pid)
        self.assertIsNone(program.end())
        self.gone(family)

    def gone(self, family):
        until = time.monotonic() + PATIENCE
        left = [pid for pid in family if os.path.exists(f"/proc/{pid}")]
        while left and time.monotonic() < until:
            left = [pid for pid in left if os.path.exists(f"/proc/{pid}")]
        self.assertEqual(left, [])


class Judging(PluginCase):
    """One host program for each role and try; its cells one after the other."""

    def start_driver(self, role, attempts, breaker):
        self.use(mock(), timeout=f"{TIMEOUT_MS}ms", role=role, recycle=1, workers=2,
                 retry={"attempts": attempts, "initial": "1ms"}, breaker=breaker)
        return self.open()

    def cell(self, program, role, word, found, extra=""):
        text = f"do: {word}\n{role} {extra}{' needle' if found else ''}\n"
        limit = SHORT_MS if LATE <= FAULTS[word] else TIMEOUT_MS
        report = program.scan(f"path {self.write('content', text.encode())} timeout={limit}")
        entry = next(e for e in report["engines"] if e["engine"] == "mine")
        self.assertEqual(entry["outcome"], "error", report)
        self.assertIn(entry["error"]["kind"], FAULTS[word], report)
        self.assertTrue(entry["error"]["message"])
        self.assertLessEqual(report["duration_ms"], limit + 250)
        # The mock has looked at all of it: with an optional plugin that is enough.
        self.assertEqual(report["outcome"], "error" if role == "required" else "clean", report)
        return entry

    def settled(self, program, count):
        """Honest content is judged as ever, and nothing has grown."""
        for name, text, outcome in (("good", b"nothing", "clean"), ("bad", b"needle", "infected")):
            report = program.scan(f"path {self.write(name, text + str(count).encode())}")
            self.assertEqual(report["outcome"], outcome, report)
        return program.ask("stats")

    def play(self, role, attempts, breaker, scan):
        program = self.start_driver(role, attempts, breaker)
        before = self.settled(program, 0)
        for word in FAULTS:
            for found in (False, True):
                with self.subTest(f"{role} {word} {'found' if found else 'clean'}"):
                    scan(program, role, word, found)
        after = self.settled(program, 1)
        self.assertLessEqual(after["fds"], before["fds"] + 12)
        self.assertLessEqual(after["threads"], before["threads"] + 4)
        self.end(program)

    def both(self, attempts, breaker, scan):
        for role in ("required", "optional"):
            self.play(role, attempts, breaker, scan)

    def test_first_try(self):
        self.both(1, {"preset": "off"}, self.cell)

    def test_second_try(self):
        tries = []

        def scan(program, role, word, found):
            entry = self.cell(program, role, word, found, "again")
            if FAULTS[word] == CRASH:
                tries.append(entry["attempts"])
        self.both(2, {"preset": "off"}, scan)
        self.assertGreaterEqual(tries.count(2), 8)
        self.assertLessEqual(set(tries), {1, 2})

    def test_half_open_probe(self):
        """The probe meets the fault: it opens again, and honest content closes it."""
        def half_open(program):
            while program.ask("breaker mine")["breaker"] == "open":
                pass

        def scan(program, role, word, found):
            if not FAULTS[word] & (CRASH | NONSENSE | LATE):
                return  # not a failure of the engine as breakers count them
            program.ask("breaker mine open")
            program.ask("breaker mine reset")
            opened = program.ask("breaker mine")["opened"]
            self.cell(program, role, word, found, "first")
            self.assertEqual(program.ask("breaker mine")["opened"], opened + 1)
            half_open(program)
            self.cell(program, role, word, found, "probe")
            self.assertEqual(program.ask("breaker mine")["opened"], opened + 2)
            half_open(program)
            honest = program.scan(f"path {self.write('honest', f'{word}{found}'.encode())}")
            self.assertEqual(honest["outcome"], "clean")
            self.assertEqual(program.ask("breaker mine")["breaker"], "closed")

        self.both(1, {"failure_threshold": 1, "success_threshold": 1, "open": "20ms",
                      "max_open": "20ms"}, scan)

    def test_64_at_once(self):
        """Content that ends its process among content that does not: each has its own answer."""
        self.use(concurrency=64, workers=4, timeout=f"{TIMEOUT_MS * 6}ms",
                 retry={"attempts": 3, "initial": "1ms"}, breaker={"preset": "off"})
        program = self.open()
        words = ["fault", "leave", "garbage"]
        wanted = {}
        for number in range(64 * 4):
            word = words[number // 16 % 3] if number % 16 == 0 else None
            text = f"do: {word}\n{number}" if word else f"{number}{' needle' * (number % 2)}"
            self.write(f"many/{number}", text.encode())
            wanted[str(number)] = "error" if word else "infected" if number % 2 else "clean"
        answers = program.scan_all([f"path {self.folder}/many/{tag} tag={tag}" for tag in wanted])
        for tag, answer in answers.items():
            with self.subTest(tag):
                self.assertEqual(answer["report"]["outcome"], wanted[tag], answer["report"])
        self.assertEqual(set(answers), set(wanted))
        self.end(program)


class Opening(PluginCase):
    def attempt(self, role, word):
        self.use(mock(), role=role, settings={"open": word}, open_timeout="300ms")
        self.write("file")
        return self.scan("file")

    def test_required(self):
        """Nothing is scanned, and the message says what it did."""
        for word, messages in OPEN_FAULTS.items():
            with self.subTest(word):
                result = self.attempt("required", word)
                self.assertEqual((result.status, result.out), (2, b""), str(result))
                for message in (str(self.guest), *messages):
                    self.assertIn(message, result.errors)

    def test_optional(self):
        """It is out of service, and the others judge."""
        for word in OPEN_FAULTS:
            with self.subTest(word):
                report = self.attempt("optional", word).report
                self.assertEqual(report["outcome"], "clean", report)
                entry = report["engines"][0]
                self.assertEqual(entry["error"]["kind"], "not_configured", report)

    def test_nothing_is_left(self):
        """Also of those that hang: their host is still there, and has no child."""
        for word in OPEN_FAULTS:
            with self.subTest(word):
                self.use(mock(), role="optional", settings={"open": word}, open_timeout="300ms")
                before = set(worker_processes())
                program = self.open()
                program.scan(f"path {self.write('file')}")
                self.assertEqual(descendants(program.process.pid), [program.process.pid])
                self.end(program)
                self.gone(set(worker_processes()) - before)


def worker_processes():
    """All zygotes and workers of the machine, dead or alive."""
    listed = subprocess.run(["ps", "-eo", "pid,comm"], capture_output=True, text=True, check=True)
    rows = [line.split(None, 1) for line in listed.stdout.splitlines()[1:]]
    return [int(pid) for pid, name in rows if name.startswith(("sb-zygote", "sb-worker"))]


if __name__ == "__main__":
    unittest.main()
