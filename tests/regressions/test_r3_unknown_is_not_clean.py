#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""R3: VirusTotal was said to call every file clean that it had never seen.

Unknown is an abstention: alone it is an error, beside others it is no vote, and no answer that
holds less than an analysis is anything else."""
import unittest

from regressions import CLEAN, Case, mock
from support.harness import engines_built, needs
from support.virustotal import answer, problem, sha256


def file_object(**attributes):
    return lambda *_: answer(200, {"data": {"type": "file", "id": sha256(CLEAN),
                                            "attributes": attributes}})


EMPTY = {
    "never seen": lambda *_: problem(404, "NotFoundError", "File not found"),
    "no analysis": file_object(),
    "counters without a vote": file_object(last_analysis_stats={}),
    "nobody could look": file_object(last_analysis_stats={
        "malicious": 0, "suspicious": 0, "undetected": 0, "harmless": 0, "timeout": 70,
        "failure": 3, "type-unsupported": 7}, last_analysis_date=2**31),
}


@needs("virustotal" in engines_built(), "this build has no engine virustotal")
class Unknown(Case):
    def test_alone(self):
        """R3: 404 and empty answers → never clean."""
        for why, says in EMPTY.items():
            with self.subTest(why):
                self.configure(self.virustotal(file=says))
                report = self.scan(self.write("file"), status=2).report
                self.assert_outcome(report, "error", action="block", kind="unsupported")
                self.assertTrue(self.entry(report, "vt")["abstained"])

    def test_beside_another(self):
        """R3: optional, it is no vote: what is clean is so by the other's word alone."""
        for why, says in EMPTY.items():
            with self.subTest(why):
                self.configure(self.virustotal(file=says, role="optional"), mock())
                report = self.scan(self.write("file"), status=0).report
                self.assert_outcome(report, "clean")
                self.assertIn("1 of 2 engines", report["explanation"])
                self.assertEqual(self.entry(report, "vt")["coverage"]["state"], "none")


if __name__ == "__main__":
    unittest.main()
