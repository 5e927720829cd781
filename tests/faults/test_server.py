#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The fault server itself: honest enough for the real clamdscan, wrong exactly as told."""
import os
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from faults import clamd  # noqa: E402
from faults.server import Server, has_ipv6  # noqa: E402


def connect(address):
    kind, _, rest = address.partition(":")
    if kind == "unix":
        sock = socket.socket(socket.AF_UNIX)
        try:
            sock.connect(rest)
        except OSError:
            sock.close()
            raise
        return sock
    host, _, port = rest.rpartition(":")
    return socket.create_connection((host.strip("[]"), int(port)))


def stream(*chunks):
    return b"".join(struct.pack(">I", len(chunk)) + chunk for chunk in chunks) + b"\0\0\0\0"


def until_end(sock):
    sock.settimeout(10)
    data = b""
    try:
        while part := sock.recv(65536):
            data += part
    except ConnectionResetError:
        data += b"<reset>"
    return data


class ServerCase(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="scanbridge-faults-")
        self.addCleanup(shutil.rmtree, self.folder)
        self.server = Server()

    def tearDown(self):
        self.server.stop()
        self.assertEqual(self.server.failures(), [])

    def unix(self, fault=None, **options):
        path = f"{self.folder}/{len(self.server.listeners)}.sock"
        return self.server.listen_unix(path, clamd.Clamd(fault, **options))

    def tcp(self, fault=None, host="127.0.0.1", **options):
        return self.server.listen_tcp(clamd.Clamd(fault, **options), host)


class Honest(ServerCase):
    ROWS = (
        # what is sent, what comes back until the server closes, why
        (b"zPING\0", b"PONG\0", "z framing"),
        (b"nPING\r\n", b"PONG\n", "n framing, trailing CR"),
        (b"PING\n", b"PONG\n", "old style"),
        (b"zPING\0zPING\0", b"PONG\0", "one command outside a session"),
        (b"zVERSION\0", clamd.VERSION + b"\0", "version"),
        (b"zNONSENSE\0", b"UNKNOWN COMMAND\0", "unknown word"),
        (b"zINSTREAM\0" + stream(b"harmless"), b"stream: OK\0", "clean"),
        (b"zINSTREAM\0" + stream(clamd.EICAR[:30], clamd.EICAR[30:]),
         b"stream: Eicar-Test-Signature FOUND\0", "found across chunks"),
        (b"nINSTREAM\n" + stream(), b"stream: OK\n", "empty"),
        (b"zIDSESSION\0zINSTREAM\0" + stream(b"x") + b"nVERSION\nzINSTREAM\0"
         + stream(clamd.EICAR) + b"zEND\0",
         b"1: stream: OK\0" + b"2: " + clamd.VERSION + b"\n"
         + b"3: stream: Eicar-Test-Signature FOUND\0", "ids, mixed terminators, END"),
        (b"zIDSESSION\0zRELOAD\0", b"1: Command invalid inside IDSESSION. ERROR\0", "not inside"),
    )

    def test_replies(self):
        hosts = ["127.0.0.1"] + (["::1"] if has_ipv6() else [])
        for listener in [self.unix()] + [self.tcp(host=host) for host in hosts]:
            for sent, wanted, why in self.ROWS:
                with self.subTest(why, address=listener.address), \
                        connect(listener.address) as sock:
                    sock.sendall(sent)
                    got = until_end(sock)
                    self.assertEqual(got.replace(b"<reset>", b""), wanted)

    def test_descriptor(self):
        with tempfile.TemporaryFile() as file:
            file.write(b"padding" + clamd.EICAR)
            file.flush()
            for packets in ((b"zFILDES\0", b"x"), (b"zFILDES\0x",)):
                with self.subTest(packets), connect(self.unix().address) as sock:
                    for packet in packets[:-1]:
                        sock.sendall(packet)
                    socket.send_fds(sock, [packets[-1]], [file.fileno()])
                    self.assertRegex(until_end(sock),
                                     rb"^fd\[\d+\]: Eicar-Test-Signature FOUND\0$")

    def test_no_descriptor(self):
        with connect(self.unix().address) as sock:
            sock.sendall(b"zFILDES\0x")
            self.assertEqual(until_end(sock), b"No file descriptor received. ERROR\0")

    def test_limit(self):
        """The text comes without a label, then a reset: input was left unread."""
        for listener in (self.unix(stream_max=10), self.tcp(stream_max=10)):
            with connect(listener.address) as sock:
                sock.sendall(b"zINSTREAM\0" + stream(b"0123456789", b"a"))
                self.assertEqual(until_end(sock),
                                 b"INSTREAM size limit exceeded. ERROR\0<reset>")


class Addresses(ServerCase):
    def test_refusing(self):
        for address in (self.server.refusing_unix(f"{self.folder}/refuse"),
                        self.server.refusing_tcp()):
            with self.subTest(address), self.assertRaises(ConnectionRefusedError):
                connect(address)

    def test_silent(self):
        """Nobody ever completes the handshake."""
        address = self.server.silent_tcp()
        with socket.socket() as sock:
            sock.settimeout(0.3)
            host, _, port = address.removeprefix("tcp:").rpartition(":")
            with self.assertRaises(TimeoutError):
                sock.connect((host, int(port)))
        path = self.server.silent_unix(f"{self.folder}/silent").removeprefix("unix:")
        with socket.socket(socket.AF_UNIX) as sock:
            sock.setblocking(False)
            with self.assertRaises(BlockingIOError):
                sock.connect(path)


class Primitives(ServerCase):
    """The steps do what their names say, seen from the other side."""

    def played(self, script, sent=b"", tcp=True):
        listener = self.server.listen_tcp(script) if tcp else self.server.listen_unix(
            f"{self.folder}/{len(self.server.listeners)}.sock", script)
        with connect(listener.address) as sock:
            if sent:
                sock.sendall(sent)
            return until_end(sock)

    def test_reset(self):
        self.assertEqual(self.played(lambda peer: peer.reset()), b"<reset>")

        def after_three(peer):
            peer.read(3)
            peer.peek(1)
            peer.reset()
        for tcp in (True, False):
            self.assertEqual(self.played(after_three, b"abcd", tcp), b"<reset>")

    def test_close_and_drip(self):
        def script(peer):
            peer.expect(b"go")
            peer.drip(b"abc", 0.001)
            peer.send_split(b"def", 1, 0.001)
            peer.flood(b"xy", 5)
        for tcp in (True, False):
            self.assertEqual(self.played(script, b"go", tcp), b"abcdefxyxyx")

    def test_endless_ends_with_the_client(self):
        listener = self.server.listen_tcp(lambda peer: peer.flood(b"." * 65536))
        with connect(listener.address) as sock:
            self.assertEqual(sock.recv(3), b"...")

    def test_hang_ends_with_the_server(self):
        for reading in (True, False):
            listener = self.server.listen_tcp(lambda peer, r=reading: peer.hang(r))
            sock = connect(listener.address)
            self.addCleanup(sock.close)
            sock.sendall(b"anybody there?")

    def test_broken_script_is_seen(self):
        listener = self.server.listen_tcp(lambda peer: peer.expect(b"yes"))
        with connect(listener.address) as sock:
            sock.sendall(b"no!")
            until_end(sock)
        self.assertEqual(len(listener.failures), 1)
        listener.failures.clear()


@unittest.skipUnless(shutil.which("clamdscan"), "clamdscan is not installed")
class RealClient(ServerCase):
    """The honest script satisfies clamdscan, the reference client."""

    def scan(self, setting, *options):
        config = Path(self.folder, "clamd.conf")
        config.write_text(setting, encoding="ascii")
        clean = Path(self.folder, "clean.txt")
        clean.write_bytes(b"nothing to see " * 20000)
        bad = Path(self.folder, "bad.txt")
        bad.write_bytes(b"a" * 300000 + clamd.EICAR)
        ran = subprocess.run(["clamdscan", "-c", config, "--no-summary", *options, clean, bad],
                             capture_output=True, timeout=30, check=False)
        self.assertEqual(ran.stdout.decode(), f"{clean}: OK\n{bad}: {clamd.THREAT.decode()} FOUND\n",
                         ran.stderr)
        self.assertEqual(ran.returncode, 1)

    def test_unix(self):
        for options in (["--stream"], ["--fdpass"]):
            with self.subTest(options):
                listener = self.unix()
                self.scan(f"LocalSocket {listener.address.removeprefix('unix:')}\n", *options)
                self.assertIn(b"FILDES" if "--fdpass" in options else b"INSTREAM",
                              listener.requests())

    def test_tcp(self):
        listener = self.tcp()
        host, _, port = listener.address.removeprefix("tcp:").rpartition(":")
        self.scan(f"TCPSocket {port}\nTCPAddr {host}\n", "--stream")


if __name__ == "__main__":
    unittest.main()
