#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""R42: what had expired was only deleted when somebody called for it.

Any program that has the store open deletes it, and says so in the log; what is on hold stays."""
import unittest

from accounts import covered
from regressions import CLEAN, Case, mock


class Retention(Case):
    def test_by_itself(self):
        """R42: a scan that has nothing to do with it, and a host program."""
        self.configure(mock(default="infected:A"), quarantine={"retention": "1ms"})
        for number in range(3):
            self.write(f"in/{number}", b"%d" % number)
        reports = self.scan("in", status=1).reports
        self.configure(mock(), quarantine={"retention": "1ms"})
        clean = self.write("clean", CLEAN)
        while self.objects("--all"):  # a short run may end before it has deleted all
            self.driver().scan(f"path {clean}")
        purged = [r["quarantine_id"] for r in self.operations()
                  if (r["operation"], r["phase"]) == ("purge", "done")]
        self.assertEqual(sorted(purged), sorted(r["quarantine_id"] for r in reports))
        self.assertEqual(list((self.data / "quarantine/objects").iterdir()), [])

    def test_off(self):
        """R42: for ever, if that is wanted."""
        self.configure(mock(default="infected:A"), quarantine={"retention": "off"})
        self.scan(self.write("file", b"x"), status=1)
        self.quarantine("purge")
        kept, = self.objects()
        self.assertIsNone(kept["expires_at"])

    def test_on_hold(self):
        """R42: neither by itself nor on demand."""
        self.configure(mock(default="infected:A"), quarantine={"retention": "1d"})
        one = self.scan(self.write("file", b"x"), status=1).report["quarantine_id"]
        self.quarantine("hold", one)
        covered("src/quarantine/store_test.c", "check_retention", "is held")(self)
        self.quarantine("purge")
        self.assertEqual([kept["id"] for kept in self.objects()], [one])


if __name__ == "__main__":
    unittest.main()
