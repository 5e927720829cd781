#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""R1: the reply's NUL was not stripped, so that clean read as suspicious with confidence 0.5,
infected as "Unknown", and PING never equalled PONG."""
import unittest

from regressions import CLEAN, INFECTED, Case, clamav
from faults.clamd import THREAT

TRANSPORTS = (("FILDES", False, True), ("INSTREAM", False, False), ("INSTREAM", True, True))


class ReplyTerminator(Case):
    def check(self, address, threat):
        self.configure(clamav(address))
        clean = self.scan(self.write("clean", CLEAN), status=0).report
        self.assertEqual(clean["outcome"], "clean")
        self.assertEqual(clean["threats"], [])
        self.assertNotIn("confidence", clean)
        self.assertEqual(self.entry(clean, "clamav")["coverage"]["state"], "complete")
        bad = self.scan(self.write("bad", INFECTED), status=1).report
        self.assertEqual(bad["outcome"], "infected")
        self.assertEqual([found["name"] for found in bad["threats"]], [threat])
        engines = self.run_program("engines")
        self.assertEqual(engines.status, 0, str(engines))

    def test_scripted(self):
        """R1: replies that end in NUL, byte for byte, over every transport."""
        for command, tcp, fildes in TRANSPORTS:
            with self.subTest(command, tcp=tcp):
                listener = self.fake_clamd(tcp=tcp, fildes=fildes)
                self.check(listener.address, THREAT.decode())
                self.assertIn(command.encode(), listener.requests())

    def test_real(self):
        """R1: the same from the real program."""
        with self.clamd(tcp=True) as real:
            for address in (real.address, real.tcp_address):
                with self.subTest(address):
                    self.configure(clamav(address))
                    name = self.scan(self.write("bad", INFECTED), status=1).report["threats"][0][
                        "name"]
                    self.assertRegex(name, r"(?i)\A[a-z0-9._-]*eicar[a-z0-9._-]*\Z")
                    self.check(address, name)


if __name__ == "__main__":
    unittest.main()
