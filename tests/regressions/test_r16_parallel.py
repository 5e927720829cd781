#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""R13, R15, R16: every engine read the content and hashed it again, "parallel" was one task after
the other, and each scan opened a connection of its own.

The content is read once, from a pipe that can't be read twice; all engines are asked before any
of them has answered; and their connections are used again."""
import hashlib
import threading
import unittest

from regressions import CLEAN, INFECTED, Case, On, clamav, mock

ENGINES = 4


class Parallel(Case):
    def test_all_are_asked_at_once(self):
        """R16: nobody answers before everybody was asked, and the scan still ends."""
        all_here = threading.Barrier(ENGINES)

        def reply(peer, request):
            all_here.wait(20)  # breaks the test, should they come one after the other
            peer.send(request.line())
        self.configure(*(clamav(self.fake_clamd(fault=On(reply=reply)).address, self_test="off")
                         | {"name": f"clamav{n}"} for n in range(ENGINES)))
        report = self.scan(self.write("file", CLEAN), status=0).report
        self.assert_outcome(report, "clean")
        self.assertEqual(len(report["engines"]), ENGINES)

    def test_read_once(self):
        """R13: engines and hash get the same bytes of one pass over a pipe."""
        data = b"padding " * 200000 + INFECTED
        digest = self.run_program("hash", self.write("content", data)).text.split()[0]
        self.configure(*(mock(f"mock{n}", responses=[f"{digest}=infected:Whole.Content"])
                         for n in range(ENGINES)), hashes=["blake3", "sha256"])
        report = self.scan("-", stdin=data, status=1).report
        self.assertEqual([entry["outcome"] for entry in report["engines"]], ["infected"] * ENGINES)
        self.assertEqual(report["file"]["blake3"], digest)
        self.assertEqual(report["file"]["sha256"], hashlib.sha256(data).hexdigest())


class Connections(Case):
    def test_used_again(self):
        """R15: no more connections than scans at a time, however many scans there are."""
        for concurrency in (1, 3):
            with self.subTest(concurrency):
                listener = self.fake_clamd()
                self.configure(clamav(listener.address, self_test="off", concurrency=concurrency),
                               cache={"enabled": False})
                path = self.write("file", CLEAN)
                program = self.driver()
                answers = program.scan_all(f"path {path} tag={n}" for n in range(100))
                self.assertEqual({a["report"]["outcome"] for a in answers.values()}, {"clean"})
                scans = [r for r in listener.requests() if r in (b"FILDES", b"INSTREAM")]
                self.assertEqual(len(scans), 100)
                # one more may ask for the version
                self.assertLessEqual(listener.connections, concurrency + 1)


if __name__ == "__main__":
    unittest.main()
