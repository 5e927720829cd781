#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""R40: the index was each process's own: two processes did not see each other's objects.

A host program that keeps its manager open, and the command line beside it, work on one store and
see at once what the other has done; so do many that store at the same time."""
import unittest
from concurrent.futures import ThreadPoolExecutor

from regressions import Case, mock


class Processes(Case):
    def setUp(self):
        super().setUp()
        self.configure(mock(default="infected:Some.Trojan"))

    def test_each_sees_what_the_other_does(self):
        """R40: stored here, deleted there, stored here again, rekeyed there."""
        path = self.write("file", b"content")
        host = self.driver()
        first = host.scan(f"path {path}")["quarantine_id"]
        self.assertEqual([kept["id"] for kept in self.objects()], [first])
        self.assertEqual(self.scan(path, status=1).report["quarantine_id"], first)
        self.quarantine("delete", first)
        second = host.scan(f"path {path}")["quarantine_id"]
        self.assertNotEqual(second, first)
        self.quarantine("rekey")
        self.assertEqual(host.scan(f"path {path}")["quarantine_id"], second)
        third = host.scan(f"path {self.write('other', b'other content')}")["quarantine_id"]
        self.assertEqual({kept["id"] for kept in self.objects()}, {second, third})
        self.assertEqual(self.quarantine("verify").text, "2 good, 0 bad, 0 strays\n")

    def test_many_at_once(self):
        """R40: the same contents from six processes: one object for each, found by all."""
        for number in range(12):
            self.write(f"in/{number}", b"content %d" % number)
        with ThreadPoolExecutor(6) as pool:
            results = list(pool.map(lambda _: self.scan("in", status=1), range(6)))
        seen = [{r["file"]["name"]: r["quarantine_id"] for r in result.reports}
                for result in results]
        self.assertEqual([ids for ids in seen if ids != seen[0]], [])
        self.assertEqual({kept["id"] for kept in self.objects()}, set(seen[0].values()))
        self.assertEqual(self.quarantine("verify").text, "12 good, 0 bad, 0 strays\n")
        self.verify_audit()


if __name__ == "__main__":
    unittest.main()
