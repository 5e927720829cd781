# SPDX-License-Identifier: MIT
"""clamd as a script: honest by default, wrong at exactly one place when told to.

The honest side speaks clamd 1.4's z and n framing, IDSESSION with ids, INSTREAM and FILDES,
and finds the EICAR test file in whatever it was really sent. A Fault overrides one of the
places below; everything else stays honest, so that whatever goes wrong has one cause.
"""
import os
import struct

from faults.server import Done
from support.harness import eicar

EICAR = eicar()
THREAT = b"Eicar-Test-Signature"
VERSION = b"ClamAV 1.4.6/27800/Sun Nov 22 08:00:00 2026"
COMMANDS = b"SCAN QUIT RELOAD PING CONTSCAN VERSIONCOMMANDS VERSION END SHUTDOWN MULTISCAN " \
    b"FILDES STATS IDSESSION INSTREAM DETSTATSCLEAR DETSTATS ALLMATCHSCAN"
STATS = b"POOLS: 1\n\nSTATE: VALID PRIMARY\nTHREADS: live 1  idle 0 max 10 idle-timeout 30\n" \
    b"QUEUE: 0 items\n\nMEMSTATS: heap N/A mmap N/A used N/A free N/A releasable N/A pools 1 " \
    b"pools_used 1.000M pools_total 1.000M\nEND"
IN_SESSION = {b"INSTREAM", b"FILDES", b"STATS", b"VERSION", b"VERSIONCOMMANDS", b"PING", b"END"}
PREFIXES = {ord("z"): b"\0", ord("n"): b"\n"}


class Request:
    """One scan command as the server understood it, and what its reply has to be."""

    def __init__(self, command, terminator, ident):
        self.command = command  # b"INSTREAM" or b"FILDES"
        self.terminator = terminator
        self.ident = ident  # None outside a session
        self.content = b""
        self.label = b"stream"

    @property
    def verdict(self):
        return THREAT + b" FOUND" if EICAR in self.content else b"OK"

    def line(self, verdict=None, label=None, ident=None):
        """A whole reply; what is not given is as it should be."""
        ident = self.ident if ident is None else ident
        start = b"" if ident is None else b"%d: " % ident
        label = self.label if label is None else label
        verdict = self.verdict if verdict is None else verdict
        return start + label + b": " + verdict + self.terminator


class Fault:
    """The places where something can go wrong; as it stands, nothing does."""

    def accepted(self, peer):
        """A connection is there; nothing was read."""

    def requested(self, peer, request):
        """A scan command was read; its content was not."""

    def uploading(self, peer, request, chunk, size):
        """The next chunk's header was seen but not read: its number and its size (0: the
        end). For FILDES: chunk 0, before the byte that carries the descriptor."""

    def reply(self, peer, request):
        """The content was read whole: answer it."""
        peer.send(request.line())

    def version(self, peer, line):
        """Answer VERSION."""
        peer.send(line)


class Clamd:
    """The script. The fault strikes at every scan, or only where `armed` says so."""

    def __init__(self, fault=None, armed=None, fildes=True, stream_max=None):
        self.fault = fault or Fault()
        self.armed = armed or (lambda connection, scan_here, scan_everywhere: True)
        self.fildes = fildes
        self.stream_max = stream_max
        self.counts = stream_max is None  # the fault is one that strikes
        self.scans = 0

    def __call__(self, peer):
        scans_here = 0
        session = None  # the last id given out, once IDSESSION was said
        if self.armed(peer.number, 0, max(self.scans, peer.number)):
            self.fault.accepted(peer)
        while True:
            word, terminator = self._command(peer)
            peer.requests.append(word)
            ident = None
            if session is not None:
                session += 1
                ident = session
            if word == b"IDSESSION" and session is None and terminator != b"":
                session = 0
                continue
            if word == b"END" and session is not None:
                return
            if word in (b"INSTREAM", b"FILDES") and terminator != b"":
                request = Request(word, terminator, ident)
                if word == b"FILDES" and not (self.fildes and peer.is_unix):
                    self._receive_descriptor(peer, request, Fault())  # refused: no scan
                fault = self.fault if self.armed(peer.number, scans_here, self.scans) else Fault()
                scans_here += 1
                self.scans += 1
                self._scan(peer, request, fault)
            else:
                self._answer(peer, word, terminator, ident)
            if session is None:
                return

    def _command(self, peer):
        first = peer.read(1)
        terminator = PREFIXES.get(first[0])
        if terminator is None:  # old style: ends with the line
            line = first + peer.read_until(b"\n")
            return line.rstrip(b"\r\n"), b""
        return peer.read_until(terminator)[:-1].rstrip(b"\r"), terminator

    def _answer(self, peer, word, terminator, ident):
        end = terminator or b"\n"
        start = b"" if ident is None else b"%d: " % ident
        if ident is not None and word not in IN_SESSION:
            peer.send(start + b"Command invalid inside IDSESSION. ERROR" + end)
            raise Done()
        if word == b"VERSION":
            fault = self.fault if self.armed(peer.number, 0, self.scans) else Fault()
            fault.version(peer, start + VERSION + end)
            return
        text = {b"PING": b"PONG",
                b"VERSIONCOMMANDS": VERSION + b"| COMMANDS: " + COMMANDS,
                b"STATS": STATS}.get(word, b"UNKNOWN COMMAND")
        peer.send(start + text + end)

    def _scan(self, peer, request, fault):
        fault.requested(peer, request)
        if request.command == b"FILDES":
            self._receive_descriptor(peer, request, fault)
        else:
            self._receive_stream(peer, request, fault)
        fault.reply(peer, request)

    def _receive_stream(self, peer, request, fault):
        content = bytearray()
        chunk = 0
        while True:
            (size,) = struct.unpack(">I", peer.peek(4))
            fault.uploading(peer, request, chunk, size)
            if self.stream_max is not None and size > self.stream_max - len(content):
                start = b"" if request.ident is None else b"%d: " % request.ident
                peer.send(start + b"INSTREAM size limit exceeded. ERROR" + request.terminator)
                raise Done()  # with unread input: a reset, as the real one does
            peer.read(4)
            if size == 0:
                break
            content += peer.read(size)
            chunk += 1
        request.content = bytes(content)

    def _receive_descriptor(self, peer, request, fault):
        fault.uploading(peer, request, 0, 1)
        if peer.is_unix:
            peer.read(1)
        taken = peer.take_passed()
        try:
            if not self.fildes or len(taken) != 1:
                start = b"" if request.ident is None else b"%d: " % request.ident
                peer.send(start + b"No file descriptor received. ERROR" + request.terminator)
                raise Done()
            request.label = b"fd[%d]" % taken[0]
            request.content = _whole(taken[0])
        finally:
            for number in taken:
                os.close(number)


def _whole(number):
    """All of the file, whatever its offset; a descriptor that can't be read is the real
    clamd's trap, and ours: it sees nothing."""
    parts = []
    offset = 0
    try:
        while part := os.pread(number, 1 << 20, offset):
            parts.append(part)
            offset += len(part)
    except OSError:
        pass
    return b"".join(parts)


def always(_connection, _scan_here, _scan_everywhere):
    return True


def first_scan(_connection, _scan_here, scan_everywhere):
    """Only the first scan that this server is asked for: a retry meets an honest one."""
    return scan_everywhere == 0


def second_on_connection(_connection, scan_here, _scan_everywhere):
    """Only when a connection is used again: the faults of a pooled session."""
    return scan_here == 1
