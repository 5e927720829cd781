#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Faults of a sandboxed worker as cells (safety.md E1): what a worker may do to its host, times
content that the rules know or not, times a required or an optional engine, times the first try, a
second one, and the probe of a half-open breaker. In every cell: a named error of this engine, no
clean that depends on it, no later than the deadline and 250 ms, and nothing left in the end."""
import pathlib
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from support import driver, harness  # noqa: E402
from support.harness import BUILD, SCANBRIDGE, mock, needs, yara  # noqa: E402

HOOKS = BUILD / "src/worker/scanbridge-worker-hooks"
SANITIZED = SCANBRIDGE.exists() and any(word in SCANBRIDGE.read_bytes()
                                        for word in (b"__asan_init", b"__tsan_init"))
RULE = 'rule Needle { strings: $a = "needle" condition: $a }\n'
CRASH, NONSENSE, LATE = {"engine_crashed"}, {"protocol_error"}, {"timeout"}
FAULTS = {"fault": CRASH, "abort": CRASH, "exit": CRASH, "fork": CRASH, "memory": CRASH,
          "socket": CRASH, "exec": CRASH, "ptrace": CRASH, "kill": CRASH, "garbage": NONSENSE, "ok": NONSENSE,
          "long": NONSENSE, "state": NONSENSE | LATE,
          "loop": LATE, "stop": LATE}
TIMEOUT_MS = 10_000  # for what ends by itself, however busy the machine is
SHORT_MS = 400  # for what does not


class Worker(harness.Case):
    """One host program for each role and try; its cells one after the other."""

    def start_driver(self, role, attempts, breaker):
        (self.folder / "rules.yar").write_text(RULE)
        self.configure(
            yara(rules="rules.yar", timeout=f"{TIMEOUT_MS}ms", role=role, recycle=1, workers=2,
                 retry={"attempts": attempts, "initial": "1ms"}, breaker=breaker,
                 self_test="off"),
            mock(), decision={"min_assurance": "rules"}, cache={"enabled": False},
            audit={"enabled": False}, quarantine={"enabled": False})
        program = driver.Driver(self.config, self.folder, {"SCANBRIDGE_WORKER": str(HOOKS)})
        self.addCleanup(lambda: self.assertIsNone(program.end()))
        program.open()
        return program

    def cell(self, program, role, word, found, extra=""):
        """One scan with the fault; its report."""
        text = f"hook: {word}\n{role} {extra}{' needle' if found else ''}\n"
        limit = SHORT_MS if LATE <= FAULTS[word] else TIMEOUT_MS
        report = program.scan(f"path {self.write('content', text.encode())} timeout={limit}")
        entry = next(e for e in report["engines"] if e["engine"] == "yara")
        self.assertEqual(entry["outcome"], "error", report)
        self.assertIn(entry["error"]["kind"], FAULTS[word], report)
        self.assertTrue(entry["error"]["message"])
        self.assertLessEqual(report["duration_ms"], limit + 250)
        # The mock has looked at all of it: with an optional worker that is enough.
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
        for number, word in enumerate(FAULTS):
            for found in (False, True):
                with self.subTest(f"{role} {word} {'found' if found else 'clean'}"):
                    scan(program, role, word, found)
        after = self.settled(program, number)
        self.assertLessEqual(after["fds"], before["fds"] + 8)
        self.assertLessEqual(after["threads"], before["threads"] + 4)

    def both(self, attempts, breaker, scan):
        for role in ("required", "optional"):
            self.play(role, attempts, breaker, scan)

    @needs(not SANITIZED, "the sanitizers handle faults themselves")
    def test_first_try(self):
        self.both(1, {"preset": "off"}, self.cell)

    @needs(not SANITIZED, "the sanitizers handle faults themselves")
    def test_second_try(self):
        tries = []

        def scan(program, role, word, found):
            entry = self.cell(program, role, word, found, "again")
            if FAULTS[word] == CRASH:
                tries.append(entry["attempts"])
        self.both(2, {"preset": "off"}, scan)
        self.assertGreaterEqual(tries.count(2), 20)  # twice what the budget begins with
        self.assertLessEqual(set(tries), {1, 2})

    @needs(not SANITIZED, "the sanitizers handle faults themselves")
    def test_half_open_probe(self):
        """The probe meets the fault: it opens again, and honest content closes it."""
        def half_open(program):
            while program.ask("breaker yara")["breaker"] == "open":
                pass

        def scan(program, role, word, found):
            program.ask("breaker yara open")
            program.ask("breaker yara reset")
            opened = program.ask("breaker yara")["opened"]
            self.cell(program, role, word, found, "first")
            self.assertEqual(program.ask("breaker yara")["opened"], opened + 1)
            half_open(program)
            self.cell(program, role, word, found, "probe")
            self.assertEqual(program.ask("breaker yara")["opened"], opened + 2)
            half_open(program)
            honest = program.scan(f"path {self.write('honest', f'{word}{found}'.encode())}")
            self.assertEqual(honest["outcome"], "clean")
            self.assertEqual(program.ask("breaker yara")["breaker"], "closed")

        self.both(1, {"failure_threshold": 1, "success_threshold": 1, "open": "20ms",
                      "max_open": "20ms"}, scan)


if __name__ == "__main__":
    unittest.main()
