#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The ICAP client against a scripted server, where one scan alone shows nothing: connections that
are kept, counted and limited, cancelling at every stage, replicas. And the scripted server itself
against c-icap's client."""
import pathlib
import shutil
import subprocess
import sys
import tempfile
import threading
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "regressions"))
from regressions import CLEAN, INFECTED, Case  # noqa: E402

from faults.icap import Fault, Icap  # noqa: E402
from faults.icap_catalogue import On  # noqa: E402
from faults.server import Server  # noqa: E402
from icap_rows import icap, server, url_of  # noqa: E402


class Busy(Fault):
    """Answers no scan before `wanted` are here at once, and knows how many ever were."""

    def __init__(self, wanted):
        self.wanted, self.here, self.most = wanted, 0, 0
        self.changed = threading.Condition()
        self.met = False

    def reply(self, peer, request):
        with self.changed:
            self.here += 1
            self.most = max(self.most, self.here)
            self.met = self.met or self.here == self.wanted
            self.changed.notify_all()
            self.changed.wait_for(lambda: self.met, 30)
            self.here -= 1
        peer.send(request.answer())


class Connections(Case):
    def scan_many(self, count, **settings):
        self.configure(icap(url_of(self.listener), concurrency=8, **settings),
                       cache={"enabled": False})
        for number in range(count):
            self.write(f"in/{number}", b"%d" % number)
        program = self.driver()
        answers = program.scan_all(f"path {self.folder}/in/{number} tag={number}"
                                   for number in range(count))
        self.assertEqual({answer["report"]["outcome"] for answer in answers.values()}, {"clean"})

    def test_no_more_than_the_server_allows(self):
        """Max-Connections: the others wait for a connection, and get one."""
        for lines, wanted in (((b"Max-Connections: 2",), 2), ((), 8)):
            with self.subTest(wanted):
                fault = Busy(wanted)
                self.listener = server(self, fault, more=lines)
                self.scan_many(24)
                self.assertEqual(fault.most, wanted)

    def test_a_connection_is_used_again(self):
        self.listener = server(self)
        self.configure(icap(url_of(self.listener), concurrency=1), cache={"enabled": False})
        program = self.driver()
        path = self.write("a", CLEAN)
        for _ in range(20):
            program.scan(f"path {path}")
        self.assertEqual(self.listener.connections, 1)

    def test_it_is_closed_before_the_server_does(self):
        """c-icap ends a connection after 100 requests."""
        self.listener = server(self)
        self.configure(icap(url_of(self.listener), concurrency=1), cache={"enabled": False})
        program = self.driver()
        path = self.write("a", CLEAN)
        for _ in range(250):
            program.scan(f"path {path}")
        counts = [len(peer.requests) for peer in self.listener.peers]
        self.assertGreater(len(counts), 2)
        self.assertLess(max(counts), 100)

    def test_waiting_for_a_connection_ends_at_the_deadline(self):
        here = threading.Event()

        def reply(peer, request):
            here.set()
            peer.hang()
        self.listener = server(self, On(reply=reply), more=(b"Max-Connections: 1",))
        self.configure(icap(url_of(self.listener), concurrency=2, timeout="1s"))
        program = self.driver()
        paths = [self.write(name, name.encode()) for name in ("one", "two")]
        program.send(f"path {paths[0]} tag=one")
        here.wait(30)
        answers = program.scan_all([f"path {paths[1]} tag=two"])
        for answer in answers.values():
            self.assert_outcome(answer["report"], "error", kind="timeout", engine="av")


class Cancel(Case):
    def test_at_every_stage(self):
        stages = ("accepted", "options", "requested", "previewed", "reply")
        for stage in stages:
            with self.subTest(stage):
                here = threading.Event()

                def hang(peer, *_, here=here):
                    here.set()
                    peer.hang()
                listener = server(self, On(**{stage: hang}), preview=4)
                self.configure(icap(url_of(listener), timeout="60s", preview_is_verdict=True))
                program = self.driver()
                program.send(f"path {self.write('a', CLEAN * 100000)} tag=one")
                self.assertTrue(here.wait(30))
                program.send("cancel one")
                report = program.read()["report"]
                self.assert_outcome(report, "error", kind="cancelled")
                self.assertLess(report["duration_ms"], 30000)


class Replicas(Case):
    def test_the_next_one_is_asked_at_once(self):
        """Whatever keeps the first from being reached."""
        path = self.write("bad", INFECTED)
        for name, first in (("refused", self.server.refusing_tcp()),
                            ("gone", url_of(server(self, On(accepted=lambda peer: peer.reset()))))):
            with self.subTest(name):
                honest = server(self)
                self.configure(icap(first.replace("tcp:", "icap://") + "/scan" * (name == "refused"),
                                    url_of(honest), retry={"attempts": 3, "initial": "1ms"}))
                self.assert_outcome(self.driver().scan(f"path {path}"), "infected")
                self.assertIn(b"RESPMOD", honest.requests())


@unittest.skipUnless(shutil.which("c-icap-client"), "c-icap-client is not installed")
class RealClient(unittest.TestCase):
    """The honest script satisfies c-icap's own client."""

    def test_it(self):
        with Server() as scripts, tempfile.NamedTemporaryFile() as file:
            listener = scripts.listen_tcp(Icap(preview=10))
            port = listener.address.rsplit(":", 1)[1]
            for data, wanted in ((CLEAN * 100, b"204"), (INFECTED, b"X-Infection-Found"),
                                 (b"x" * 70000 + INFECTED, b"X-Infection-Found")):
                pathlib.Path(file.name).write_bytes(data)
                for words in ([], ["-nopreview"], ["-w", "4"]):
                    ran = subprocess.run(
                        ["c-icap-client", "-i", "127.0.0.1", "-p", port, "-s", "scan", "-f",
                         file.name, "-v", "-resp", "http://x/y", *words], capture_output=True,
                        timeout=60, check=False)
                    self.assertIn(wanted, ran.stderr, words)
            self.assertEqual(scripts.failures(), [])


if __name__ == "__main__":
    unittest.main()
