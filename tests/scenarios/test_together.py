# SPDX-License-Identifier: MIT
"""One file through every engine at once, each with its real peer: one report, an entry for each;
and `engines --check` puts the known answers to all of them."""
import pathlib
import sys
import unittest

from support.everybody import NAMES, Everybody, missing
from support.harness import CLEAN, INFECTED, Case, needs

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from faults.server import Server  # noqa: E402

WHY_NOT = missing()


@needs(WHY_NOT is None, WHY_NOT)
class Together(Case):
    def setUp(self):
        super().setUp()
        server = Server()
        self.addCleanup(server.stop)
        self.peers = Everybody(self.folder, server, self.addCleanup)
        self.peers.virustotal.know(CLEAN).know(INFECTED, malicious=50)

    def entries(self, data, status):
        report = self.scan(self.write("sample", data), status=status).report
        self.assertEqual([entry["engine"] for entry in report["engines"]], list(NAMES))
        return report, {entry["engine"]: entry["outcome"] for entry in report["engines"]}

    def test_one_report(self):
        self.configure(*self.peers.engines(), cache={"enabled": False})
        for data, outcome, status in ((CLEAN, "clean", 0), (INFECTED, "infected", 1)):
            with self.subTest(outcome):
                report, outcomes = self.entries(data, status)
                self.assertEqual(outcomes, dict.fromkeys(NAMES, outcome))
                self.assertEqual(report["outcome"], outcome)
        self.assertEqual(self.peers.virustotal.count("POST"), 0)  # looked up, and nothing sent

    def test_who_has_no_opinion_spoils_nothing(self):
        """What VirusTotal has never seen is clean by the others, unless its word is required."""
        unknown = b"nobody has seen this"
        engines = self.peers.engines()
        self.configure(*engines[:-1], engines[-1] | {"role": "optional"})
        report, outcomes = self.entries(unknown, 0)
        self.assertEqual(report["outcome"], "clean")
        self.assertEqual(outcomes, dict.fromkeys(NAMES, "clean") | {"virustotal": "error"})
        self.configure(*engines)
        self.assertEqual(self.entries(unknown, 2)[0]["outcome"], "error")

    def test_one_that_fails_is_named(self):
        self.peers.icap.close()
        self.configure(*self.peers.engines())
        report, outcomes = self.entries(CLEAN, 2)
        self.assertEqual(outcomes, dict.fromkeys(NAMES, "clean") | {"icap": "error"})
        self.assertEqual((report["outcome"], report["error"]["kind"], report["error"]["engine"]),
                         ("error", "connection_failed", "icap"))

    def test_known_answers(self):
        self.configure(*self.peers.engines())
        result = self.run_program("engines", "--check")
        self.assertEqual(result.status, 0, str(result))
        for name in NAMES:
            self.assertRegex(result.text, rf"(?m)^{name} .* ok, checked *$")


if __name__ == "__main__":
    unittest.main()
