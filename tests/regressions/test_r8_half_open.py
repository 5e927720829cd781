#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""R8: half-open stuck for ever with one probe at a time and three successes to make, and lost
the slots of probes that were cancelled or did not count.

Scans alone close the breaker with every preset, whatever becomes of a probe on the way."""
import threading
import unittest

from regressions import CLEAN, Case, On, clamav

PRESETS = {"default": (5, 3), "strict": (3, 5), "high_availability": (10, 2)}


class HalfOpen(Case):
    def failing(self, preset, **places):
        """A clamd that fails as told while `switch["on"]`, and its configuration."""
        switch = {"on": True}
        listener = self.fake_clamd(fault=On(**places), armed=lambda *_: switch["on"])
        self.configure(clamav(listener.address, self_test="off", retry={"attempts": 1},
                              breaker={"preset": preset, "open": "200ms"}),
                       cache={"enabled": False})
        return switch

    def open_up(self, program, path, failures):
        for _ in range(failures):
            self.assertEqual(program.ask("breaker clamav")["breaker"], "closed")
            self.assert_outcome(program.scan(f"path {path}"), "error", kind="connection_failed")
        while program.ask("breaker clamav")["breaker"] == "open":
            pass

    def close_up(self, program, path, successes):
        for _ in range(successes):
            self.assertEqual(program.ask("breaker clamav")["breaker"], "half_open")
            self.assert_outcome(program.scan(f"path {path}"), "clean")
        self.assertEqual(program.ask("breaker clamav")["breaker"], "closed")

    def test_every_preset(self):
        """R8: closes through scans for every preset."""
        path = self.write("file", CLEAN)
        for preset, (failures, successes) in PRESETS.items():
            with self.subTest(preset):
                switch = self.failing(preset, reply=lambda peer, request: peer.close())
                program = self.driver()
                self.open_up(program, path, failures)
                switch["on"] = False
                self.close_up(program, path, successes)

    def test_cancelled_and_uncounted_probes(self):
        """R8: a probe whose caller is in a hurry, or whose content can't be read, gives its slot
        back."""
        state = {"what": "close"}
        here = threading.Event()

        def reply(peer, request):
            if state["what"] == "close":
                peer.close()
            elif state["what"] == "encrypted":
                peer.send(request.line(b"Heuristics.Encrypted.Zip FOUND"))
            else:
                here.set()
                peer.hang()
        switch = self.failing("default", reply=reply)
        path = self.write("file", CLEAN)
        program = self.driver()
        self.open_up(program, path, 5)
        state["what"] = "hang"
        program.send(f"path {path} tag=probe")
        here.wait()
        self.assert_outcome(program_scan_beside(program, path), "error", kind="circuit_open")
        program.send("cancel probe")
        self.assertEqual(program.read()["report"]["error"]["kind"], "cancelled")
        program.send("wait")
        self.assertIn("waited", program.read())
        self.assertEqual(program.ask("breaker clamav")["breaker"], "half_open")
        switch["on"] = False
        self.close_up(program, path, 3)


def program_scan_beside(program, path):
    """A scan while another one is under way: the next answer is its."""
    return program.ask(f"path {path} tag=beside")["report"]


if __name__ == "__main__":
    unittest.main()
