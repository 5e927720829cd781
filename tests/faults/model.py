# SPDX-License-Identifier: MIT
"""Two clients for the fault server, to test the tests with.

`careful` follows the rules of a client that can't be fooled and must come through every cell;
`naive` looks for the word FOUND, as many do, and the matrix must catch it.
"""
import re
import select
import socket
import struct
import time

CHUNK = 65536
REPLY_MAX = 8192


class Failed(Exception):
    """No verdict; the argument is the kind."""


class Client:
    def __init__(self, address, deadline):
        self.deadline = deadline
        kind, _, where = address.partition(":")
        family = socket.AF_UNIX
        if kind == "tcp":
            host, _, port = where.rpartition(":")
            where = (host.strip("[]"), int(port))
            family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self.sock = socket.socket(family)
        self.sock.settimeout(self._left())
        try:
            self.sock.connect(where)
        except OSError as error:
            self.sock.close()
            late = isinstance(error, (TimeoutError, BlockingIOError))
            raise Failed("timeout" if late else "connection_failed") from error
        self.sock.setblocking(False)

    def _left(self):
        left = self.deadline - time.monotonic()
        if left <= 0:
            raise Failed("timeout")
        return left

    def _wait(self, events):
        poller = select.poll()
        poller.register(self.sock, events)
        ready = poller.poll(self._left() * 1000)
        if not ready:
            raise Failed("timeout")
        return ready[0][1]

    def send(self, data, passed=None):
        """True if all of it went out before anything came back."""
        view = memoryview(data)
        while view:
            ready = self._wait(select.POLLIN | select.POLLOUT)
            if ready & select.POLLIN:
                return False
            try:
                if passed is not None:
                    view = view[socket.send_fds(self.sock, [view], [passed]):]
                    passed = None
                else:
                    view = view[self.sock.send(view):]
            except BlockingIOError:
                continue
            except OSError:
                return False
        return True

    def reply(self):
        """Up to the terminator; what follows at once is part of it."""
        data = b""
        while b"\0" not in data and data != b"COMMAND READ TIMED OUT\n":
            if len(data) > REPLY_MAX:
                raise Failed("protocol_error")
            self._wait(select.POLLIN)
            try:
                part = self.sock.recv(REPLY_MAX)
            except BlockingIOError:
                continue
            except OSError as error:
                raise Failed("connection_failed") from error
            if not part:
                raise Failed("protocol_error" if data else "connection_failed")
            data += part
        return data


def _request(session, descriptor, content):
    start = b"zIDSESSION\0" if session else b""
    if descriptor is not None:
        return [start + b"zFILDES\0", b"x"]
    chunks = (content[at:at + CHUNK] for at in range(0, len(content), CHUNK))
    return [start + b"zINSTREAM\0"] + [struct.pack(">I", len(chunk)) + chunk
                                       for chunk in chunks] + [b"\0\0\0\0"]


def _exchange(address, content, descriptor, timeout, session):
    client = Client(address, time.monotonic() + timeout)
    try:
        whole = True
        for part in _request(session, descriptor, content):
            passed = descriptor if part == b"x" else None
            whole = whole and client.send(part, passed)
        return whole, client.reply()
    finally:
        client.sock.close()


def careful(address, content, descriptor, timeout):
    """(outcome, kind) by the rules of the protocol's real programs."""
    session = len(content) < CHUNK
    try:
        whole, data = _exchange(address, content, descriptor, timeout, session)
    except Failed as failed:
        return "error", str(failed)
    if data == b"COMMAND READ TIMED OUT\n":
        return "error", "timeout"
    if data == (b"1: " if session else b"") + b"INSTREAM size limit exceeded. ERROR\0":
        return "error", "file_too_large"
    label = rb"stream" if descriptor is None else rb"fd\[\d{1,9}\]"
    match = re.fullmatch((b"1: " if session else b"") + label + rb": ([^\0]*)\0", data, re.DOTALL)
    if not whole or not match:
        return "error", "protocol_error"
    return _verdict(match[1])


def _verdict(said):
    if said == b"OK":
        return "clean", None
    if said.endswith(b" FOUND") and said not in (b" FOUND", b"(null) FOUND"):
        for start, kind in ((b"Heuristics.Limits.", "limit_exceeded"),
                            (b"Heuristics.Encrypted.", "encrypted"),
                            (b"Heuristics.Broken.", "corrupt")):
            if said.startswith(start):
                return "error", kind
        return "infected", None
    if said.endswith(b" ERROR"):
        return "error", {b"Exceeded time limit ERROR": "limit_exceeded",
                         b"Can't parse data ERROR": "corrupt"}.get(said, "engine_unavailable")
    return "error", "protocol_error"


def naive(address, content, descriptor, timeout):
    """Infected is what says FOUND; everything else went well."""
    try:
        _, data = _exchange(address, content, descriptor, timeout, False)
    except Failed:
        return "clean", None
    return ("infected" if b"FOUND" in data else "clean"), None
