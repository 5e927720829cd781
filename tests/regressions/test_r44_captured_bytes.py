#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""R44: unit tests fed their parsers strings that no real engine ever sends.

What a real clamd sends is captured here, byte for byte, again in every run: the unit tests and the
fuzzer's corpus hold these bytes, our scripted clamd says the same, and played back they give the
verdict that the real one gave."""
import array
import contextlib
import os
import re
import socket
import struct
import unittest

from regressions import CLEAN, INFECTED, Case, On, clamav
from faults import clamd as scripted
from support.harness import PATIENCE, ROOT, samples

UNIT = ROOT / "src/wire/clamd_reply_test.c"
CORPUS = ROOT / "tests/fuzz/corpus/clamd_reply"
LIMIT = 4000


def stream(content, piece=1000):
    """INSTREAM's content."""
    pieces = [content[at:at + piece] for at in range(0, len(content), piece)]
    return b"".join(struct.pack(">I", len(part)) + part for part in pieces) + bytes(4)


def ask(path, *parts, fd=None):
    """All that clamd sends until it hangs up, or until its last reply to a session is there."""
    with socket.socket(socket.AF_UNIX) as link:
        link.settimeout(PATIENCE)
        link.connect(str(path))
        for part in parts:
            link.sendall(part)
        if fd is not None:
            link.sendmsg([b"x"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [fd]))])
        if parts[0] == b"zIDSESSION\0":
            link.sendall(b"zEND\0")
        answer = b""
        with contextlib.suppress(ConnectionResetError):  # it left something unread
            while piece := link.recv(65536):
                answer += piece
        return answer


def told_in_c(text):
    """The bytes of every B("…") in the unit test."""
    rows = re.findall(r'\bB\(((?:\s*"(?:\\.|[^"\\])*")+)\)', text)
    return {b"".join(part.encode().decode("unicode_escape").encode("latin-1")
                     for part in re.findall(r'"((?:\\.|[^"\\])*)"', row)) for row in rows}


def without_numbers(reply):
    """Descriptors, session ids and signature dates are clamd's own."""
    reply = re.sub(rb"(?:^|(?<=\0))\d+: ", b"N: ", reply)
    return re.sub(rb"\A(ClamAV [\d.]+)(/[^\0]*)?\0", b"VERSION\0",
                  re.sub(rb"fd\[\d+\]", b"fd[N]", reply))


class Captured(Case):
    def capture(self, path):
        """Name -> what the real clamd at this socket says."""
        good, bad = self.write("good", CLEAN), self.write("bad", INFECTED)
        samples.locked_zip(self.folder / "locked.zip", "a", CLEAN)
        with open(good, "rb") as clean, open(bad, "rb") as infected, \
                open(self.folder / "locked.zip", "rb") as locked:
            folder = os.open(self.folder, os.O_RDONLY)
            self.addCleanup(os.close, folder)
            return {
                "pong": ask(path, b"zPING\0"),
                "version": ask(path, b"zVERSION\0"),
                "clean stream": ask(path, b"zINSTREAM\0", stream(CLEAN)),
                "found in a stream": ask(path, b"zINSTREAM\0", stream(INFECTED)),
                "clean descriptor": ask(path, b"zFILDES\0", fd=clean.fileno()),
                "found by descriptor": ask(path, b"zFILDES\0", fd=infected.fileno()),
                "a folder's descriptor": ask(path, b"zFILDES\0", fd=folder),
                "too long": ask(path, b"zINSTREAM\0", stream(b"x" * (LIMIT + 1), LIMIT + 1)[:8]),
                "encrypted": ask(path, b"zFILDES\0", fd=locked.fileno()),
                "clean in a session": ask(path, b"zIDSESSION\0", b"zFILDES\0",
                                          fd=clean.fileno()),
                "pong in a session": ask(path, b"zIDSESSION\0", b"zPING\0"),
            }

    def setUp(self):
        super().setUp()
        self.real = self.enterContext(self.clamd(StreamMaxLength=str(LIMIT)))
        self.replies = self.capture(self.real.socket)

    def test_terminators(self):
        """R44: every captured reply ends in NUL, and only there."""
        for name, reply in self.replies.items():
            with self.subTest(name, reply=reply):
                self.assertTrue(reply.endswith(b"\0"))
                self.assertEqual(reply.count(b"\0"), 1)

    def test_unit_tests_hold_them(self):
        """R44: each stands in the table of the reply parser's test, but for numbers and names."""
        held = {without_numbers(row) for row in told_in_c(UNIT.read_text())}
        for name, reply in self.replies.items():
            with self.subTest(name, reply=reply):
                self.assertTrue(without_numbers(reply) in held)

    def test_the_corpus_holds_them(self):
        """R44: the fuzzer starts from what is really sent; its first byte is the target's."""
        corpus = {without_numbers(path.read_bytes()[1:]) for path in CORPUS.iterdir()}
        for name in ("pong", "version", "clean stream", "found in a stream", "too long",
                     "clean in a session"):
            with self.subTest(name, reply=self.replies[name]):
                self.assertTrue(without_numbers(self.replies[name]) in corpus)

    def test_our_script_says_the_same(self):
        """R44: the clamd of the fault tests differs in nothing but the threat's name."""
        script = scripted.Clamd(stream_max=LIMIT)
        path = f"{self.folder}/scripted.sock"
        self.server.listen_unix(path, script)
        theirs = self.capture(path)
        for name in sorted(set(self.replies) - {"a folder's descriptor", "encrypted"}):
            with self.subTest(name):
                real = re.sub(rb"Eicar[\w.-]+", scripted.THREAT, self.replies[name])
                self.assertEqual(without_numbers(theirs[name]), without_numbers(real))

    def test_played_back(self):
        """R44: recorded bytes give what the real one gives."""
        for name, kind, fildes in (("clean stream", "clean", False),
                                   ("found in a stream", "infected", False),
                                   ("encrypted", "encrypted", True),
                                   ("clean descriptor", "clean", True),
                                   ("found by descriptor", "infected", True)):
            with self.subTest(name):
                reply = self.replies[name]
                listener = self.fake_clamd(fildes=fildes, fault=On(
                    reply=lambda peer, request, reply=reply: peer.send(
                        (b"%d: " % request.ident if request.ident else b"") + reply)))
                self.configure(clamav(listener.address, retry={"attempts": 1}))
                report = self.scan(self.write("any", b"any content")).report
                self.assertEqual(report["error"]["kind"] if report["error"] else report["outcome"],
                                 kind)


if __name__ == "__main__":
    unittest.main()
