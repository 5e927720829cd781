#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""R17: retries only in the queue, blind to the kind of error and to retry_after, with a "jitter"
that was the same in every process.

Every way of scanning retries, by the kind of error; two processes wait for different times; and
nothing is tried after the deadline."""
import unittest

from regressions import CLEAN, Case, mock

NO_BREAKER = {"preset": "off"}
# kind: attempts of the four that are allowed
ATTEMPTS = {"connection_failed": 4, "engine_unavailable": 2, "engine_crashed": 2, "timeout": 2,
            "protocol_error": 1, "authentication_failed": 1, "rate_limited": 1, "overloaded": 1,
            "file_too_large": 1, "limit_exceeded": 1, "encrypted": 1, "corrupt": 1,
            "unsupported": 1, "not_configured": 1, "io": 1, "internal": 1}


class Retries(Case):
    def attempts_of(self, report):
        return report["engines"][0]["attempts"]

    def test_by_kind(self):
        """R17: the kind says whether, and how often."""
        path = self.write("file", CLEAN)
        for kind, attempts in ATTEMPTS.items():
            with self.subTest(kind):
                self.configure(mock(default=f"error:{kind}", breaker=NO_BREAKER,
                                    retry={"attempts": 4, "initial": "1ms", "max": "1ms"}))
                report = self.scan(path, status=2).report
                self.assert_outcome(report, "error", kind=kind)
                self.assertEqual(self.attempts_of(report), attempts)

    def test_every_way_of_scanning(self):
        """R17: blocking and not, from a path and from memory."""
        self.configure(mock(schedule="x.", retry={"attempts": 2, "initial": "1ms"}),
                       cache={"enabled": False})
        path = self.write("file", CLEAN)
        program = self.driver()
        for verb in ("path", "fd", "memory", "blocking"):
            with self.subTest(verb):
                report = program.ask(f"{verb} {path}")["report"]
                self.assert_outcome(report, "clean")
                self.assertEqual(self.attempts_of(report), 2)

    def waits(self):
        """How long a scan waited for its second attempt, as far as its report tells."""
        return self.scan(self.path, status=0).report["duration_ms"]

    def test_two_processes_differ(self):
        """R17: real jitter."""
        self.configure(mock(schedule="x.", retry={"attempts": 2, "initial": "400ms"}),
                       cache={"enabled": False})
        self.path = self.write("file", CLEAN)
        waits = [self.waits() for _ in range(4)]
        self.assertGreaterEqual(min(waits), 200)
        self.assertGreater(max(waits) - min(waits), 1)

    def test_never_after_the_deadline(self):
        """R17: an attempt that would come too late is not waited for."""
        self.configure(mock(default="error:connection_failed", timeout="5s", breaker=NO_BREAKER,
                            retry={"attempts": 9, "initial": "1h", "max": "1h", "jitter": False}))
        report = self.scan(self.write("file", CLEAN), status=2).report
        self.assert_outcome(report, "error", kind="connection_failed")
        self.assertEqual(self.attempts_of(report), 1)

    def test_no_more_than_a_tenth(self):
        """R17: in an outage at most ten retries, and one for every ten scans."""
        self.configure(mock(default="error:connection_failed", breaker=NO_BREAKER,
                            retry={"attempts": 3, "initial": "1ms", "max": "1ms"}))
        path = self.write("file", CLEAN)
        program = self.driver()
        program.scan_all(f"path {path} tag={n}" for n in range(200))
        self.assertLessEqual(program.ask("breaker mock")["retries"], 10 + 200 / 10)


if __name__ == "__main__":
    unittest.main()
