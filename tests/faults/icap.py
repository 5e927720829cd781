# SPDX-License-Identifier: MIT
"""An ICAP server as a script: honest by default, wrong at exactly one place when told to.

The honest side answers OPTIONS, reads REQMOD and RESPMOD with and without a preview, says 204 to
what is clean and 200 with a block page to whatever holds the EICAR test file. A Fault overrides one
of the places below; everything else stays honest, so that whatever goes wrong has one cause.
"""
from faults.server import Done
from support.harness import eicar

EICAR = eicar()
THREAT = b"Eicar-Test-Signature"
TAG = b'"fake-1"'
PAGE = b"HTTP/1.1 403 Forbidden\r\nContent-Type: text/html\r\nContent-Length: 4\r\n\r\n"


def headers(*lines):
    return b"".join(line + b"\r\n" for line in lines) + b"\r\n"


def chunks(data, size=65536):
    parts = [data[at:at + size] for at in range(0, len(data), size)]
    return b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in parts) + b"0\r\n\r\n"


class Request:
    """One request as the server understood it, and what its reply has to be."""

    def __init__(self, method, fields):
        self.method = method  # b"RESPMOD" or b"REQMOD"
        self.fields = fields  # names in lower case
        self.message = b""  # the HTTP headers around the content
        self.content = b""
        self.ieof = False

    @property
    def infected(self):
        return EICAR in self.content

    def clean(self, *more, status=b"204 No Content", tag=TAG):
        tags = [b"ISTag: " + tag] if tag else []
        return headers(b"ICAP/1.0 " + status, *tags, b"Connection: keep-alive", *more)

    def found(self, *more, name=THREAT, tag=TAG):
        threat = b"X-Infection-Found: Type=0; Resolution=2; Threat=%b;" % name
        return self.blocked(threat, *more, tag=tag)

    def blocked(self, *more, tag=TAG):
        """A block page behind the headers that say why."""
        tags = [b"ISTag: " + tag] if tag else []
        return headers(b"ICAP/1.0 200 OK", *tags, *more,
                       b"Encapsulated: res-hdr=0, res-body=%d" % len(PAGE)) + PAGE + chunks(b"Page")

    def echo(self, message=None, body=None, offset=None, *more):
        """The message sent back; what is not given is as it came."""
        message = self.message if message is None else message
        body = chunks(self.content) if body is None else body
        what = b"res" if message.startswith(b"HTTP/") else b"req"
        return headers(b"ICAP/1.0 200 OK", b"ISTag: " + TAG, *more, b"Encapsulated: %b-hdr=0, "
                       b"%b-body=%d" % (what, what, len(message) if offset is None else offset)) \
            + message + body

    def answer(self):
        return self.found() if self.infected else self.clean()


class Fault:
    """The places where something can go wrong; as it stands, nothing does."""

    def accepted(self, peer):
        """A connection is there; nothing was read."""

    def options(self, peer, answer):
        """Answer OPTIONS."""
        peer.send(answer)

    def requested(self, peer, request):
        """All headers were read; the content was not."""

    def uploading(self, peer, request, chunk, size):
        """The next chunk's size was read, its bytes were not: its number and its size (0: the end)."""

    def previewed(self, peer, request):
        """A preview was read, and it was not all."""
        peer.send(b"ICAP/1.0 100 Continue\r\n\r\n")

    def reply(self, peer, request):
        """The content was read whole: answer it."""
        peer.send(request.answer())


class Icap:
    """The script. The fault strikes at every scan, or only where `armed` says so."""

    def __init__(self, fault=None, armed=None, preview=None, more=(), without=(), counts=True):
        self.fault = fault or Fault()
        self.armed = armed or (lambda connection, scan_here, scan_everywhere: True)
        self.preview = preview
        self.more = tuple(more)  # header lines for OPTIONS
        self.without = tuple(without)  # names that OPTIONS leaves out
        self.counts = counts  # False: the fault lies in OPTIONS' headers alone
        self.scans = self.discoveries = 0

    def __call__(self, peer):
        scans_here = 0
        if self.armed(peer.number, 0, max(self.scans, peer.number)):
            self.fault.accepted(peer)
        while True:
            line, fields = self._head(peer)
            method = line.split(b" ")[0]
            peer.requests.append(method)
            if method == b"OPTIONS":
                before = max(self.scans, self.discoveries)
                self.discoveries += 1
                fault = self.fault if self.armed(peer.number, 0, before) else Fault()
                fault.options(peer, self.options())
            else:
                fault = self.fault if self.armed(peer.number, scans_here, self.scans) else Fault()
                scans_here += 1
                self.scans += 1
                self._scan(peer, Request(method, fields), fault)
            if fields.get(b"connection", b"").lower() == b"close":
                raise Done()

    def options(self):
        lines = [b"Methods: RESPMOD, REQMOD", b"Service: Fake 1.0", b"ISTag: " + TAG,
                 b"Allow: 204", b"Options-TTL: 3600", b"Encapsulated: null-body=0"]
        lines = [line for line in lines if line.split(b":")[0] not in self.without]
        if self.preview is not None:
            lines.append(b"Preview: %d" % self.preview)
        return headers(b"ICAP/1.0 200 OK", *lines, *self.more)

    def _line(self, peer):
        line = peer.read_until(b"\n", 65536)
        if not line.endswith(b"\r\n"):
            raise AssertionError(f"a line without CRLF: {line!r}")
        return line[:-2]

    def _head(self, peer):
        first, fields = self._line(peer), {}
        while line := self._line(peer):
            name, _, value = line.partition(b":")
            fields[name.lower()] = value.strip()
        return first, fields

    def _scan(self, peer, request, fault):
        parts = dict(part.strip().split(b"=")
                     for part in request.fields[b"encapsulated"].split(b","))
        last = b"res" if request.method == b"RESPMOD" else b"req"
        body = int(parts[last + b"-body"])
        message = peer.read(body)
        if not message.endswith(b"\r\n\r\n"):
            raise AssertionError(f"Encapsulated does not fit: {message!r}")
        request.message = message[int(parts[last + b"-hdr"]):]
        if b"Content-Length:" not in request.message:
            raise AssertionError(f"no length: {request.message!r}")
        fault.requested(peer, request)
        self._body(peer, request, fault)
        if b"preview" in request.fields and not request.ieof:
            if len(request.content) != int(request.fields[b"preview"]):
                raise AssertionError(f"a preview of {len(request.content)} bytes")
            fault.previewed(peer, request)
            self._body(peer, request, fault)
        length = int(request.message.split(b"Content-Length: ")[1].split(b"\r\n")[0])
        if len(request.content) != length:
            raise AssertionError(f"{len(request.content)} bytes of {length}")
        fault.reply(peer, request)

    def _body(self, peer, request, fault):
        content, chunk = bytearray(request.content), 0
        while True:
            line = self._line(peer)
            size = int(line.split(b";")[0], 16)
            fault.uploading(peer, request, chunk, size)
            if size:
                content += peer.read(size)
            peer.expect(b"\r\n")
            if size == 0:
                break
            chunk += 1
        request.ieof = b"ieof" in line
        request.content = bytes(content)
