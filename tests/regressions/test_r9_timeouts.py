#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""R9: timeouts never reached the breaker, and clamd had none.

An engine that hangs opens its breaker, whoever set the time: its own timeout, the scan's, or
both; and a clamd that hangs is one."""
import unittest

from regressions import CLEAN, Case, On, clamav, mock


class Timeouts(Case):
    def hanging_scans(self, engine, words, option="", **sections):
        self.configure(engine, **sections)
        path = self.write("file", CLEAN)
        program = self.driver()
        name = engine["name"]
        for _ in range(5):
            self.assertEqual(program.ask(f"breaker {name}")["breaker"], "closed")
            self.assert_outcome(program.scan(f"path {path}{option}"), "error", kind="timeout")
        self.assertEqual(program.ask(f"breaker {name}")["breaker"], "open")
        self.assert_outcome(program.scan(f"path {path}"), "error", kind="circuit_open")
        counted = program.ask(f"breaker {name}")
        self.assertEqual((counted["failed"], counted["rejected"], counted["opened"]), words)

    def test_own_timeout(self):
        """R9: the engine's own timeout."""
        self.hanging_scans(mock(default="hang", timeout="50ms", retry={"attempts": 1}), (5, 1, 1))

    def test_the_scans_timeout(self):
        """R9: the deadline of the scan, from the configuration and from the caller."""
        self.hanging_scans(mock(default="hang", retry={"attempts": 1}), (5, 1, 1),
                           limits={"timeout": "50ms"})
        self.hanging_scans(mock(default="hang", retry={"attempts": 1}), (5, 1, 1), " timeout=50")

    def test_clamd(self):
        """R9: a clamd that hangs."""
        listener = self.fake_clamd(fault=On(reply=lambda peer, request: peer.hang()))
        self.hanging_scans(clamav(listener.address, timeout="100ms", self_test="off",
                                  retry={"attempts": 1}), (5, 1, 1))


if __name__ == "__main__":
    unittest.main()
