#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""R19: VirusTotal without uploads, polling, quota and Retry-After; a refused key read as an engine
that is down for a while.

The whole way of an unknown content; waits that the service asks for; and a key that is asked about
once. More of it: tests/scenarios/test_virustotal.py."""
import time
import unittest

from regressions import CLEAN, Case
from support.harness import engines_built, needs
from support.virustotal import problem


@needs("virustotal" in engines_built(), "this build has no engine virustotal")
class VirusTotal(Case):
    def test_upload_and_polling(self):
        """R19: unknown content is uploaded where that is wanted, and its analysis waited for."""
        self.configure(self.virustotal(upload="unknown"))
        self.service.will_find(CLEAN, malicious=9).polls = 4
        report = self.scan(self.write("file"), status=1).report
        self.assert_outcome(report, "infected")
        self.assertEqual([repr(r).split("/api/v3")[0] for r in self.service.requests],
                         ["GET ", "POST "] + ["GET "] * 5)

    def test_retry_after(self):
        """R19: the attempt after a 429 comes when the service said, and not before."""
        asked = []

        def limited(peer, request):
            asked.append(time.monotonic())
            if len(asked) == 1:
                return problem(429, "TooManyRequestsError", Retry_After=1)
            return self.service._answer("file", (request.path.rsplit("/", 1)[1],), request)
        self.configure(self.virustotal(file=limited))
        self.service.know(CLEAN)
        report = self.scan(self.write("file"), status=0).report
        self.assertEqual(self.entry(report, "vt")["attempts"], 2)
        self.assertGreaterEqual(asked[1] - asked[0], 0.99)

    def test_a_refused_key(self):
        """R19: 401 and 403 are no outage: one question, then the circuit is open until somebody
        acts."""
        for status, code in ((401, "WrongCredentialsError"), (403, "ForbiddenError")):
            with self.subTest(status):
                self.configure(self.virustotal(
                    file=lambda *_, status=status, code=code: problem(status, code)))
                program = self.driver()
                line = f"path {self.write('file')}"
                kinds = [program.scan(line)["error"]["kind"] for _ in range(3)]
                self.assertEqual(kinds, ["authentication_failed", "circuit_open", "circuit_open"])
                self.assertEqual(len(self.service.requests), 1)


if __name__ == "__main__":
    unittest.main()
