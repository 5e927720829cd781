#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""R21, R24, R25 where the engines are programs: "all scanners failed" named no engine and no cause,
nothing of a failure was in the log, and a number out of range ended the program."""
import json
import unittest

from regressions import CLEAN, Case
from support.harness import engines_built, needs

SCANNERS = {"crashes": ("kill -SEGV $$", "engine_crashed", "signal 11"),
            "hangs": ("exec sleep 1000", "timeout", "did not end in time"),
            "babbles": ("exit 77", "protocol_error", "status 77"),
            "fails": ("echo no licence >&2; exit 2", "engine_unavailable", "no licence"),
            "can't": ("exit 5", "unsupported", "status 5")}


@needs("command" in engines_built(), "built without the engine command")
class Causes(Case):
    def command(self, name, text, **settings):
        path = self.write(f"scanner-{name}", b"#!/bin/sh\n" + text.encode())
        path.chmod(0o755)
        return {"name": name.replace("'", ""), "type": "command", "argv": [str(path), "{}"],
                "error_exit": [2], "unsupported_exit": [5], "timeout": "500ms",
                "retry": {"attempts": 1}, "self_test": "off"} | settings

    def test_every_engine_that_failed_is_named_with_its_cause(self):
        """R25 in the report, R21 in the log."""
        self.configure(*(self.command(name, text) for name, (text, *_) in SCANNERS.items()))
        report = self.scan(str(self.write("note.txt", CLEAN)), status=2).report
        self.assert_outcome(report, "error", action="block")
        for name, (_, kind, words) in SCANNERS.items():
            error = self.entry(report, name.replace("'", ""))["error"]
            self.assertEqual(error["kind"], kind)
            self.assertIn(words, error["message"])
        completed, = (r for r in self.verify_audit() if r["event"] == "scan_completed")
        told = json.dumps(completed)
        for name, (_, kind, _) in SCANNERS.items():
            self.assertIn(name.replace("'", ""), told)
            self.assertIn(kind, told)

    def test_numbers_out_of_range_are_told_with_their_place(self):
        """R24."""
        for settings, words in (({"clean_exit": [256]}, "0 to 255"),
                                ({"infected_exit": [-1]}, "0 to 255"),
                                ({"error_exit": ["x"]}, "is a text"),
                                ({"max_output": "0"}, "1KiB to 64MiB"),
                                ({"max_output": "1GiB"}, "1KiB to 64MiB"),
                                ({"max_processes": -1}, "0 to 1000000"),
                                ({"timeout": "0s"}, "out of range")):
            with self.subTest(settings=settings):
                self.configure(self.command("any", "exit 0") | settings)
                result = self.run_program("config", "check")
                self.assertEqual(result.status, 1, str(result))
                self.assertIn(words, result.errors)
                self.assertRegex(result.errors, r"scanbridge\.yaml:\d+:\d+: ")


if __name__ == "__main__":
    unittest.main()
