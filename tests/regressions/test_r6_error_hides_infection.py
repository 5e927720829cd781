#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""R6: one engine's non-recoverable error hid what another had found.

Infected wins over every error, whichever engine comes first and whatever its role is."""
import itertools
import unittest

from regressions import Case, mock

KINDS = ("engine_unavailable", "timeout", "connection_failed", "protocol_error", "engine_crashed",
         "authentication_failed", "corrupt", "encrypted", "unsupported", "limit_exceeded",
         "not_configured", "rate_limited", "internal", "io")


class ErrorHidesInfection(Case):
    def test_every_kind(self):
        """R6: infected + error → infected, with both entries in the report."""
        path = self.write("file")
        for kind, role in itertools.product(KINDS, ("required", "optional")):
            failing = mock("failing", default=f"error:{kind}", role=role, retry={"attempts": 1})
            finding = mock("finding", default="infected:Test.Threat")
            for order in ([failing, finding], [finding, failing]):
                with self.subTest(kind=kind, role=role, first=order[0]["name"]):
                    self.configure(*order)
                    report = self.scan(path, status=1).report
                    self.assertEqual((report["outcome"], report["action"]),
                                     ("infected", "quarantine"))
                    self.assertEqual(report["threats"][0]["name"], "Test.Threat")
                    self.assertEqual(self.entry(report, "failing")["error"]["kind"], kind)


if __name__ == "__main__":
    unittest.main()
