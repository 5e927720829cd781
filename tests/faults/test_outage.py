#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Outages (safety.md E1, E3): every way in which a clamd can be away, from the first failure to
the last good probe. The breaker opens after exactly as many scans as its preset says, then nobody
asks the engine; a probe that meets the fault opens it again; and when the fault is gone, scans
alone close it. Whatever happens on the way, no scan is clean without the engine's own OK."""
import itertools
import pathlib
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "regressions"))
from regressions import CLEAN, INFECTED, Case, On, clamav, mock  # noqa: E402

PRESETS = {"default": (5, 3), "strict": (3, 5), "high_availability": (10, 2)}
OPEN = {"open": "1s", "max_open": "1s"}

# What the scans end in while the fault is there, and how many failures one of them counts.
FAULTS = {
    "hang": (dict(reply=lambda peer, request: peer.hang()), {"timeout"}, 1),
    "hang after accepting": (dict(accepted=lambda peer: peer.hang()), {"timeout"}, 1),
    "reads nothing": (dict(requested=lambda peer, request: peer.hang(reading=False)),
                      {"timeout"}, 1),
    "half a reply, then silence": (dict(reply=lambda peer, request: (
        peer.send(request.line()[:5]), peer.hang())), {"timeout"}, 1),
    "close": (dict(reply=lambda peer, request: peer.close()), {"connection_failed"}, 1),
    "reset": (dict(requested=lambda peer, request: peer.reset()), {"connection_failed"}, 1),
    "garbage": (dict(reply=lambda peer, request: peer.send(b"1: what?\0")), {"protocol_error"}, 2),
    "OK without end": (dict(reply=lambda peer, request: (peer.send(request.line()[:-1]),
                                                         peer.close())),
                       {"connection_failed", "protocol_error"}, None),
}


class Outage(Case):
    def outage(self, name, preset, attempts=1):
        places, kinds, weight = FAULTS[name]
        switch = {"on": True}
        listener = self.fake_clamd(fault=On(**places), armed=lambda *_: switch["on"])
        self.configure(clamav(listener.address, timeout="300ms", self_test="off", pool=False,
                              concurrency=4, retry={"attempts": attempts, "initial": "1ms"},
                              breaker={"preset": preset} | OPEN), cache={"enabled": False})
        return switch, kinds, weight

    def breaker(self, program):
        return program.ask("breaker clamav")

    def await_half_open(self, program):
        while (state := self.breaker(program)["breaker"]) == "open":
            pass
        self.assertEqual(state, "half_open")

    def play(self, name, preset):
        switch, kinds, weight = self.outage(name, preset)
        failures, successes = PRESETS[preset]
        clean, infected = self.write("clean", CLEAN), self.write("infected", INFECTED)
        program = self.driver()
        asked = 0
        for path in itertools.cycle((clean, infected)):
            report = program.scan(f"path {path}")
            asked += 1
            self.assertEqual(report["outcome"], "error")
            self.assertIn(report["error"]["kind"], kinds)
            if self.breaker(program)["breaker"] != "closed":
                break
            self.assertLess(asked, failures)
        if weight is not None:
            self.assertEqual(asked, -(-failures // weight))
        # nobody asks it now
        for path in (clean, infected):
            report = program.scan(f"path {path}")
            self.assert_outcome(report, "error", kind="circuit_open", action="block")
            self.assertGreater(report["error"]["retry_after_ms"], 0)
        counted = self.breaker(program)
        self.assertEqual((counted["successful"], counted["failed"], counted["rejected"]),
                         (0, asked, 2))
        # a probe that meets the fault
        self.await_half_open(program)
        report = program.scan(f"path {clean}")
        self.assertIn(report["error"]["kind"], kinds)
        self.assertEqual(self.breaker(program)["breaker"], "open")
        # gone: scans alone close it, and tell the truth meanwhile
        switch["on"] = False
        self.await_half_open(program)
        for number in range(successes):
            path, outcome = ((clean, "clean"), (infected, "infected"))[number % 2]
            self.assertEqual(self.breaker(program)["breaker"], "half_open")
            self.assert_outcome(program.scan(f"path {path}"), outcome)
        self.assertEqual(self.breaker(program)["breaker"], "closed")

    def test_every_fault(self):
        for name in FAULTS:
            with self.subTest(name):
                self.play(name, "default")

    def test_every_preset(self):
        for preset in ("strict", "high_availability"):
            with self.subTest(preset):
                self.play("close", preset)

    def test_retries_count_too(self):
        """Every attempt counts, and none goes into the open breaker."""
        switch, _, _ = self.outage("close", "default", attempts=3)
        path = self.write("clean", CLEAN)
        program = self.driver()
        reports = [program.scan(f"path {path}") for _ in range(2)]
        self.assertEqual([report["engines"][0]["attempts"] for report in reports], [3, 2])
        self.assertEqual({report["error"]["kind"] for report in reports}, {"connection_failed"})
        self.assertEqual(self.breaker(program)["breaker"], "open")
        switch["on"] = False
        self.await_half_open(program)
        for _ in range(3):
            self.assert_outcome(program.scan(f"path {path}"), "clean")
        self.assertEqual(self.breaker(program)["breaker"], "closed")

    def test_a_crowd_meets_a_hanging_engine(self):
        """Many scans at once: those that wait for a slot when it opens are turned away at once."""
        switch, _, _ = self.outage("hang", "default")
        path = self.write("clean", CLEAN)
        program = self.driver()
        answers = program.scan_all(f"path {path} tag={n}" for n in range(60))
        kinds = [answer["report"]["error"]["kind"] for answer in answers.values()]
        self.assertEqual(len(kinds), 60)
        self.assertLessEqual(set(kinds), {"timeout", "circuit_open", "overloaded"})
        switch["on"] = False
        while self.breaker(program)["breaker"] != "closed":
            self.assertIn(program.scan(f"path {path}")["outcome"], ("clean", "error"))
        self.assert_outcome(program.scan(f"path {path}"), "clean")

    def test_optional_engine(self):
        """An open breaker of an optional engine is told, and changes no outcome."""
        listener = self.fake_clamd(fault=On(reply=lambda peer, request: peer.close()))
        self.configure(clamav(listener.address, role="optional", pool=False,
                              retry={"attempts": 1}), mock())
        path = self.write("clean", CLEAN)
        program = self.driver()
        for kind in ["connection_failed"] * 5 + ["circuit_open"]:
            report = program.scan(f"path {path}")
            self.assert_outcome(report, "clean")
            self.assertEqual(self.entry(report, "clamav")["error"]["kind"], kind)

    def test_one_of_two_replicas(self):
        """Nobody notices that one is away; it is left alone, and comes back by itself."""
        switch = {"on": True}
        ill = self.fake_clamd(fault=On(reply=lambda peer, request: peer.close()),
                              armed=lambda *_: switch["on"])
        well = self.fake_clamd(tcp=True)
        self.configure(clamav([ill.address, well.address], self_test="off",
                              retry={"attempts": 1}, breaker=OPEN), cache={"enabled": False})
        path = self.write("infected", INFECTED)
        program = self.driver()
        for _ in range(30):
            self.assert_outcome(program.scan(f"path {path}"), "infected")
        self.assertEqual(sum(r in (b"FILDES", b"INSTREAM") for r in ill.requests()), 5)
        self.assertEqual(self.breaker(program)["breaker"], "closed")  # as far as callers see
        switch["on"] = False
        while self.breaker(program)["closed"] == 0:
            self.assert_outcome(program.scan(f"path {path}"), "infected")
        states = [record for record in self.verify_audit() if record["event"] == "engine_state"]
        self.assertEqual({state["replica"] for state in states}, {ill.address})

    def test_an_address_that_refuses(self):
        """Before its breaker opens, too: the other replica is asked at once."""
        dead = self.server.refusing_unix(f"{self.folder}/dead")
        self.configure(clamav([dead, self.fake_clamd().address], self_test="off",
                              retry={"attempts": 1}))
        for name, data, outcome in (("clean", CLEAN, "clean"), ("infected", INFECTED, "infected")):
            report = self.scan(self.write(name, data)).report
            self.assert_outcome(report, outcome)
            self.assertEqual(report["engines"][0]["attempts"], 1)

    def test_the_log_tells_of_it(self):
        """The command line says that an engine is left alone, and puts it on record."""
        dead = self.server.refusing_unix(f"{self.folder}/dead")
        self.configure(clamav(dead, retry={"attempts": 1}))
        folder = self.folder / "files"
        folder.mkdir()
        for n in range(8):
            (folder / str(n)).write_bytes(CLEAN)
        result = self.scan("--jobs", "1", folder, status=2)
        self.assertIn("engine clamav is left alone for", result.errors)
        self.assertIn("connection_failed", result.errors)
        states = [record for record in self.verify_audit() if record["event"] == "engine_state"]
        self.assertEqual([(state["engine"], state["from"], state["to"]) for state in states],
                         [("clamav", "closed", "open")])


if __name__ == "__main__":
    unittest.main()
