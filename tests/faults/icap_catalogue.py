# SPDX-License-Identifier: MIT
"""The same faults of an ICAP server, and those that only ICAP has: wrong framing, previews, OPTIONS,
messages that come back changed, detections without a name."""
from faults.catalogue import (CUT, LATE, LOST, PIECE, TRUTH, WRONG, Expected, On as _On, Variant as
                              _Variant, always, close, either, error, reset, second_on_connection)
from faults.icap import Fault, Icap, PAGE, TAG, THREAT, chunks, headers

BOTH = ("icap-respmod", "icap-reqmod")
RESPMOD = ("icap-respmod",)
ODD = Expected(False, frozenset(), suspicious=True, why="blocked for a reason that is no virus")
PREVIEW = (("preview_is_verdict", True),)
FOUND = Expected(False, frozenset(), infected=True, why="it named a threat")


class On(Fault, _On):
    """A fault from functions, of this protocol."""


def Variant(fault, detail, expected, script=None, transports=RESPMOD, **keywords):
    return _Variant(fault, detail, expected, script, transports=transports, protocol="icap",
                    **keywords)


def _on(preview=None, **places):
    return lambda **options: Icap(On(**places), preview=preview, **options)


def _options(more=(), without=()):
    """An honest server that tells other things of itself."""
    return lambda **options: Icap(On(), more=more, without=without, counts=False, **options)


def _at(chunk, action, into=0):
    def script(**options):
        fault = On(uploading=action)
        strike = fault.uploading

        def uploading(peer, request, seen, size):
            if seen != chunk and not (chunk == "end" and size == 0):
                return
            peer.read(min(into, size))
            strike(peer, request)
        fault.uploading = uploading
        return Icap(fault, **options)
    return script


def _reply(make, preview=None):
    """A reply that is other bytes than the true ones."""
    return _on(preview, reply=lambda peer, request: peer.send(make(request)))


# --- connection, OPTIONS --------------------------------------------------------------------
def connections():
    yield Variant("refused", "nobody listens", LOST, address="refusing", transports=BOTH)
    yield Variant("blackholed SYN", "the handshake never completes",
                  error("timeout", "connection_failed", why="never connected"),
                  address="silent", slow=True)
    yield Variant("accept then close", "at once", LOST, _on(accepted=lambda peer: peer.close()))
    yield Variant("accept then close", "with a reset", LOST,
                  _on(accepted=lambda peer: peer.reset()))
    yield Variant("hang", "after accepting", LATE, _on(accepted=lambda peer: peer.hang()),
                  slow=True)
    yield Variant("accept then close", "after the headers", LOST, _on(requested=close),
                  transports=BOTH, size="chunks")


def discovery():
    def options(make):
        return _on(options=lambda peer, answer: peer.send(make(answer)))

    plain = headers(b"ICAP/1.0 200 OK", b"Methods: RESPMOD, REQMOD")
    rows = (
        ("closed", LOST, _on(options=close)),
        ("reset", LOST, _on(options=reset)),
        ("garbage", WRONG, options(lambda a: b"\xff\0\xfe\r\n\r\n")),
        ("HTTP", WRONG, options(lambda a: a.replace(b"ICAP/1.0", b"HTTP/1.1"))),
        ("half of it, then the end", CUT,
         _on(options=lambda peer, a: (peer.send(a[:len(a) // 2]), peer.close()))),
        ("404", error("not_configured", why="no such service"),
         options(lambda a: headers(b"ICAP/1.0 404 Service not found"))),
        ("405", error("not_configured", why="no OPTIONS"),
         options(lambda a: headers(b"ICAP/1.0 405 Not allowed"))),
        ("500", error("engine_unavailable", why="it says so"),
         options(lambda a: headers(b"ICAP/1.0 500 Error"))),
        ("204", WRONG, options(lambda a: headers(b"ICAP/1.0 204 No Content"))),
        ("100", WRONG, options(lambda a: headers(b"ICAP/1.0 100 Continue"))),
        ("endless headers", WRONG, _on(options=lambda peer, a: (
            peer.send(a[:-2]), peer.flood(b"X: y\r\n" * 1000)))),
        ("an endless line", WRONG, _on(options=lambda peer, a: (
            peer.send(a[:-2]), peer.flood(b"X" * 65536)))),
        ("more behind it", WRONG, options(lambda a: a + b"ICAP")),
        ("no methods", WRONG, _options(without=(b"Methods",))),
        ("a Preview that is no number", WRONG, _options((b"Preview: some",))),
        ("a long Transfer-Ignore", WRONG, _options((b"Transfer-Ignore: " + b"abc, " * 500,))),
        ("Transfer-Ignore: *", error("unsupported", why="it would not look at it"),
         _options((b"Transfer-Ignore: *",))),
        ("the other method only", error("not_configured", why="no such method"),
         _options((b"Methods: REQMOD",), (b"Methods",))),
        ("no ISTag", TRUTH, _options(without=(b"ISTag",))),
        ("no Allow: 204", TRUTH, _options(without=(b"Allow",))),
        ("no Encapsulated", TRUTH, _options(without=(b"Encapsulated",))),
        ("Options-TTL: 0", TRUTH, _options((b"Options-TTL: 0",), (b"Options-TTL",))),
        ("Max-Connections: 1", TRUTH, _options((b"Max-Connections: 1",))),
        ("a Preview that we don't use", TRUTH, _options((b"Preview: 10",))),
        ("hardly any", TRUTH, options(lambda a: plain)),
        ("a body that nobody reads", TRUTH, options(lambda a: a.replace(
            b"null-body", b"opt-body") + chunks(b"options"))),
    )
    for detail, expected, script in rows:
        yield Variant("OPTIONS fails", detail, expected, script, sample=expected is not TRUTH
                      or detail in ("no ISTag", "Max-Connections: 1"))
    yield Variant("OPTIONS fails", "in pieces", TRUTH, _on(
        options=lambda peer, a: _in_pieces(peer, a)))
    yield Variant("OPTIONS fails", "hangs", LATE, slow=True,
                  script=_on(options=lambda peer, a: peer.hang()))
    yield Variant("OPTIONS fails", "half of it, then silence", LATE, slow=True,
                  script=_on(options=lambda peer, a: (peer.send(a[:len(a) // 2]), peer.hang())))


def _in_pieces(peer, data):
    for at in range(0, len(data), 7):
        peer.send(data[at:at + 7])
        peer.pause(PIECE)


# --- upload ---------------------------------------------------------------------------------
def uploads():
    for name, action in (("close after k bytes", close), ("RST mid-upload", reset)):
        for chunk in (0, 1, 2, 3, "end"):
            for into in (0, 1, 1000):
                if chunk == "end" and into:
                    continue
                yield Variant(name, f"chunk {chunk}, {into} bytes into it", LOST,
                              _at(chunk, action, into), size="chunks", transports=BOTH,
                              sample=into != 1 and chunk in (0, 2))
        yield Variant(name, "after the headers", LOST, _on(requested=action), size="chunks")
    yield Variant("RST after upload", "before the reply", LOST, _on(reply=reset), transports=BOTH)
    yield Variant("RST after upload", "before the reply, large", LOST, _on(reply=reset),
                  size="chunks")


def early_replies():
    def early(make, then):
        return _at(1, lambda peer, request: (peer.send(make(request)), then(peer)))

    for detail, then in (("then reads on", lambda peer: (peer.drain(), peer.close())),
                         ("then reads no more", lambda peer: peer.hang(reading=False)),
                         ("then closes", lambda peer: peer.close()),
                         ("then resets", lambda peer: peer.reset())):
        gone = ("connection_failed",) if detail in ("then closes", "then resets") else ()
        few = detail == "then reads on"
        yield Variant("reply before the upload ends", f"204, {detail}",
                      error("protocol_error", *gone, why="204 before the end of the body"),
                      early(lambda r: r.clean(), then), size="huge")
        yield Variant("reply before the upload ends", f"found, {detail}",
                      Expected(False, frozenset(gone), infected=True, why="certain at once"),
                      early(lambda r: r.found(), then), size="huge", sample=few)
        yield Variant("reply before the upload ends", f"500, {detail}",
                      error("engine_unavailable", *gone, why="it says so"),
                      early(lambda r: headers(b"ICAP/1.0 500 Error"), then), size="huge",
                      sample=few)
        yield Variant("reply before the upload ends", f"the echo of half of it, {detail}",
                      error("protocol_error", "connection_failed", "timeout",
                            why="what did not come back whole proves nothing"),
                      early(lambda r: r.echo(body=chunks(b"padding " * 8192)), then), size="huge",
                      slow=detail == "then reads no more", sample=few)


def slowness():
    yield Variant("1 B/s drip", "the reply", LATE, slow=True,
                  script=_on(reply=lambda peer, request: peer.drip(request.answer(), 1)))
    yield Variant("1 B/s drip", "the reply, fast", TRUTH, _on(
        reply=lambda peer, request: _in_pieces(peer, request.answer())), transports=BOTH)
    yield Variant("hang", "after the upload", LATE, slow=True, transports=BOTH,
                  script=_on(reply=lambda peer, request: peer.hang()))
    yield Variant("hang", "after the headers", LATE, slow=True, size="huge",
                  script=_on(requested=lambda peer, request: peer.hang(reading=False)))
    yield Variant("half-open peer", "stops reading in the middle", LATE, slow=True, size="huge",
                  script=_at(2, lambda peer, request: peer.hang(reading=False)), sample=False)
    yield Variant("half-open peer", "half-closes after the headers, reads on", LOST,
                  _on(requested=lambda peer, request: (peer.half_close(), peer.drain(),
                                                       peer.close())), size="chunks")
    yield Variant("never closes", "found, and then the connection stays open", TRUTH, _on(
        reply=lambda peer, request: (peer.send(request.answer()), peer.hang())))
    yield Variant("never closes", "half of the page, then silence", TRUTH, contents=("infected",),
                  script=_on(reply=lambda peer, request: (peer.send(request.answer()[:-8]),
                                                          peer.hang())))
    yield Variant("never closes", "half of an echo, then silence", LATE, slow=True, script=_on(
        reply=lambda peer, request: (peer.send(request.echo()[:-8]), peer.hang())))


# --- the reply's bytes ----------------------------------------------------------------------
def pieces():
    from faults.icap import Request
    model = Request(b"RESPMOD", {})
    for content, whole in (("infected", model.found()), ("clean", model.clean())):
        head = whole.index(b"\r\n\r\n") + 4
        for k in range(len(whole)):
            def split(peer, request, k=k):
                peer.send_split(request.answer(), k, PIECE)

            def truncate(peer, request, k=k):
                peer.send(request.answer()[:k])
                peer.close()
            few = k in (1, 12, 30, head - 1)
            if k:
                yield Variant("reply split at every byte", f"after {k}", TRUTH, _on(reply=split),
                              contents=(content,), sample=few)
            yield Variant("truncated at every byte", f"after {k}",
                          TRUTH if k >= head else CUT if k else LOST, _on(reply=truncate),
                          contents=(content,), sample=few or k == head)
    for k in range(0, 400, 9):
        def cut_echo(peer, request, k=k):
            peer.send(request.echo()[:-k or None])
            peer.close()
        yield Variant("truncated at every byte", f"an echo, {k} bytes before its end",
                      CUT if k else TRUTH, _on(reply=cut_echo), contents=("clean",),
                      transports=BOTH, sample=k in (0, 9))
    yield Variant("truncated at every byte", "half of it, then silence", LATE, slow=True,
                  script=_on(reply=lambda peer, request: (peer.send(request.clean()[:20]),
                                                          peer.hang())))
    yield Variant("reply then EOF", "whole reply", TRUTH, transports=BOTH,
                  script=_on(reply=lambda peer, request: (peer.send(request.answer()),
                                                          peer.close())))
    yield Variant("EOF only", "after the upload", LOST, _on(reply=close), transports=BOTH)


def garbage():
    status = b"ICAP/1.0 204 No Content\r\n"
    rows = (
        ("255 odd bytes", bytes(range(255, 0, -1)) + b"\r\n\r\n"),
        ("HTTP", b"HTTP/1.1 204 No Content\r\n\r\n"),
        ("clamd", b"stream: OK\r\n\r\n"),
        ("ICAP/1.1", status.replace(b"1.0", b"1.1") + b"\r\n"),
        ("lower case", status.lower() + b"\r\n"),
        ("two blanks", status.replace(b" 204", b"  204") + b"\r\n"),
        ("2040", status.replace(b"204 ", b"2040 ") + b"\r\n"),
        ("LF alone", b"ICAP/1.0 204 No Content\n\n"),
        ("an empty line before", b"\r\n" + status + b"\r\n"),
        ("a line without a colon", status + b"nonsense\r\n\r\n"),
        ("a blank before the colon", status + b"ISTag : x\r\n\r\n"),
        ("a folded header", status + b"ISTag: x\r\n y\r\n\r\n"),
        ("NUL in a header", status + b"ISTag: x\0y\r\n\r\n"),
        ("CR in a header", status + b"ISTag: x\ry\r\n\r\n"),
        ("Transfer-Encoding", status + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
        ("204 with a body", status + b"Encapsulated: res-hdr=0, res-body=%d\r\n\r\n" % len(PAGE)
         + PAGE + chunks(b"Page")),
        ("Encapsulated twice", status + b"Encapsulated: null-body=0\r\n" * 2 + b"\r\n"),
        ("200 without Encapsulated", b"ICAP/1.0 200 OK\r\n\r\n"),
        ("200 with nothing in it", b"ICAP/1.0 200 OK\r\nEncapsulated: null-body=0\r\n\r\n"),
        ("200 with a bare body", b"ICAP/1.0 200 OK\r\nEncapsulated: res-body=0\r\n\r\n"
         + chunks(b"x")),
        ("an empty threat", status + b"X-Virus-ID:\r\n\r\n"),
        ("202", b"ICAP/1.0 202 Accepted\r\n\r\n"),
        ("206", b"ICAP/1.0 206 Partial\r\n\r\n"),
        ("302", b"ICAP/1.0 302 Found\r\n\r\n"),
        ("100 without a preview", b"ICAP/1.0 100 Continue\r\n\r\n"),
        ("100, then 204", b"ICAP/1.0 100 Continue\r\n\r\n" + status + b"\r\n"),
        ("400", b"ICAP/1.0 400 Bad request\r\n\r\n"),
    )
    few = ("255 odd bytes", "LF alone", "200 without Encapsulated", "NUL in a header", "100, then 204",
           "204 with a body")
    for detail, data in rows:
        yield Variant("garbage", detail, WRONG, _reply(lambda r, data=data: data),
                      transports=BOTH, sample=detail in few)


def framing():
    """An echo whose framing is wrong somewhere."""
    def offset(by):
        return _reply(lambda r: r.echo(offset=len(r.message) + by))

    def encapsulated(text):
        return _reply(lambda r: r.echo().replace(
            b"Encapsulated: res-hdr=0, res-body=", text + b"\r\nX: "))

    for by in (-len(b"\r\n\r\n"), -2, -1, 1, 2, 3, 100000):
        yield Variant("wrong Encapsulated", f"the body {by:+} bytes off", WRONG, offset(by),
                      sample=by in (-1, 1))
    for text in (b"Encapsulated: res-hdr=0", b"Encapsulated: res-hdr=5, res-body=10",
                 b"Encapsulated: res-body=0, res-hdr=10", b"Encapsulated: req-hdr=0, req-body=10",
                 b"Encapsulated: res-hdr=0, res-body=-5", b"Encapsulated: res-hdr=0, res-body=",
                 b"Encapsulated: res-hdr=0, res-body=99999999999999999999",
                 b"Encapsulated: res-hdr=0, res-body=0", b"Encapsulated: null-body=10",
                 b"Encapsulated:", b"X: y"):
        yield Variant("wrong Encapsulated", text.decode(), WRONG, encapsulated(text),
                      sample=text in (b"X: y", b"Encapsulated: null-body=10"))
    rows = (
        ("a size too small", lambda c: b"%x\r\n%b\r\n0\r\n\r\n" % (len(c) - 1, c)),
        ("a size too large", lambda c: b"%x\r\n%b\r\n0\r\n\r\n" % (len(c) + 1, c)),
        ("a size without digits", lambda c: b"\r\n%b\r\n0\r\n\r\n" % c),
        ("a negative size", lambda c: b"-%x\r\n%b\r\n0\r\n\r\n" % (len(c), c)),
        ("a size of 17 digits", lambda c: b"%017x\r\n%b\r\n0\r\n\r\n" % (len(c), c)),
        ("a size of 2^64 - 1", lambda c: b"%x\r\n%b\r\nffffffffffffffff\r\nx" % (len(c), c)),
        ("0x", lambda c: b"0x%x\r\n%b\r\n0\r\n\r\n" % (len(c), c)),
        ("LF alone", lambda c: b"%x\n%b\n0\n\n" % (len(c), c)),
        ("a long extension", lambda c: b"%x;%b\r\n%b\r\n0\r\n\r\n" % (len(c), b"x" * 300, c)),
        ("no empty line behind the chunk", lambda c: b"%x\r\n%b0\r\n\r\n" % (len(c), c)),
        ("a trailer", lambda c: b"%x\r\n%b\r\n0\r\nX-Virus-ID: Evil\r\n\r\n" % (len(c), c)),
        ("not chunked", lambda c: c),
    )
    for detail, make in rows:
        yield Variant("wrong chunk sizes", detail, WRONG,
                      _reply(lambda r, make=make: r.echo(body=make(r.content))),
                      sample=detail in ("a size too small", "a trailer", "a size of 2^64 - 1"))


def echoes():
    """Something comes back, and nobody says that something was found."""
    honest = Expected(True, frozenset(), why="our own message, unchanged, is as good as 204")
    rows = (
        ("one byte at the start", lambda r: r.echo(body=chunks(b"P" + r.content[1:]))),
        ("one byte at the end", lambda r: r.echo(body=chunks(r.content[:-1] + b"!"))),
        ("one byte less", lambda r: r.echo(body=chunks(r.content[:-1]))),
        ("one byte more", lambda r: r.echo(body=chunks(r.content + b"!"))),
        ("nothing", lambda r: r.echo(body=chunks(b""))),
        ("twice", lambda r: r.echo(body=chunks(r.content * 2))),
        ("another status", lambda r: r.echo(r.message.replace(b"200 OK", b"503 No").replace(
            b"POST", b"HEAD"))),
        ("another length", lambda r: r.echo(r.message.replace(
            b"Content-Length: ", b"Content-Length: 1"))),
        ("an encoding", lambda r: r.echo(r.message[:-2] + b"Content-Encoding: gzip\r\n\r\n")),
        ("a part", lambda r: r.echo(r.message[:-2] + b"Content-Range: bytes 0-1/2\r\n\r\n")),
        ("a page with status 200", lambda r: r.echo(PAGE.replace(b"403 Forbidden", b"200 OK"),
                                                    chunks(b"Page"))),
        ("a page with status 503", lambda r: r.echo(PAGE.replace(b"403 Forbidden", b"503 No"),
                                                    chunks(b"Page"))),
    )
    for detail, make in rows:
        yield Variant("another message comes back", detail, WRONG, _reply(make), transports=BOTH,
                      sample=detail in ("one byte at the end", "another status"))
    yield Variant("another message comes back", "one byte late in a large one", WRONG, _reply(
        lambda r: r.echo(body=chunks(r.content[:-9] + b"!" + r.content[-8:]))), size="chunks",
        transports=BOTH)
    for size in ("small", "chunks", "huge"):
        yield Variant("another message comes back", f"none, {size}", honest, _reply(
            lambda r: r.echo()), contents=("clean",), size=size, transports=BOTH)
    yield Variant("another message comes back", "ours, with a header more", honest, _reply(
        lambda r: r.echo(r.message[:-2] + b"Via: ICAP/1.0 fake\r\n\r\n")), contents=("clean",))
    yield Variant("another message comes back", "a block page that does not say why", ODD, _reply(
        lambda r: r.blocked()), transports=BOTH)
    yield Variant("another message comes back", "a reason that is no virus", ODD, _reply(
        lambda r: r.blocked(b"X-Block-Reason: media type")))
    yield Variant("another message comes back", "Type=1", ODD, _reply(
        lambda r: r.blocked(b"X-Infection-Found: Type=1; Resolution=2; Threat=Rule 7;")))


def floods():
    page = b"10000\r\n" + b"A" * 65536 + b"\r\n"

    def flood(start, block, total=None):
        return _on(reply=lambda peer, request: (
            peer.send(start(request)), peer.flood(block, total), peer.close()))

    rows = (
        ("endless letters", WRONG, lambda r: b"", b"A" * 65536),
        ("an endless line", WRONG, lambda r: r.clean()[:-2] + b"X: ", b"A" * 65536),
        ("endless lines", WRONG, lambda r: r.clean()[:-2], b"X: y\r\n" * 10000),
        ("endless folded lines", WRONG, lambda r: r.clean()[:-2] + b"X-Violations-Found: 1\r\n",
         b"\t-\r\n" * 10000),
        ("an endless page of a threat", FOUND, lambda r: r.found()[:-len(chunks(b"Page"))], page),
        ("an endless page", ODD, lambda r: r.blocked()[:-len(chunks(b"Page"))], page),
        ("an endless echo", WRONG, lambda r: r.echo()[:-len(b"0\r\n\r\n")], page),
        ("an endless chunk size", WRONG, lambda r: r.echo(body=b""), b"0" * 65536),
        ("endless encapsulated headers", WRONG,
         lambda r: r.echo(b"HTTP/1.1 200 OK\r\n", b"", 16000), b"X: y\r\n" * 10000),
    )
    for detail, expected, start, block in rows:
        yield Variant("endless reply", detail, expected, flood(start, block))
    yield Variant("10 MiB reply without newline", "letters", WRONG,
                  flood(lambda r: b"", b"A" * 65536, 10 << 20))


def names():
    rows = (
        ("8-bit", b"Ev\xffil\xc3\x28", FOUND), ("300 bytes", b"A" * 300, FOUND),
        ("path", b"../../etc/passwd", FOUND), ("markup", b"<script>\"'&%", FOUND),
        ("blanks", b"EICAR test file", FOUND), ("empty", b"", FOUND),
        ("NUL", b"Evil\0Name", WRONG), ("escape sequence", b"\x1b[2JEvil", WRONG),
        ("CRLF", b"Evil\r\nX-Header: 1", FOUND), ("10,000 bytes", b"A" * 10000, WRONG),
    )
    for detail, name, expected in rows:
        yield Variant("NUL/8-bit/CRLF in a name", detail, expected, sample=detail in ("8-bit", "NUL"),
                      script=_reply(lambda r, name=name: r.found(name=name)))


def doubles():
    clean = lambda r: r.clean()  # noqa: E731
    found = lambda r: r.found()  # noqa: E731
    for detail, first, second in (("204, 204", clean, clean), ("204, found", clean, found)):
        yield Variant("two replies", f"{detail}, in one packet", WRONG, _reply(
            lambda r, first=first, second=second: first(r) + second(r)), transports=BOTH)
    yield Variant("two replies", "an echo, and the second begins", WRONG,
                  _reply(lambda r: r.echo() + b"I"))

    def ahead_later(peer, request):
        peer.send(request.answer())
        peer.pause(PIECE)
        peer.send(request.clean())
    yield Variant("two replies", "a stray 204 waits in the pooled connection",
                  either("protocol_error", "connection_failed",
                         why="what was there before the request answers nothing"),
                  _on(reply=ahead_later), warm=1,
                  armed=lambda connection, here, everywhere: everywhere == 0)


# --- what the server itself says --------------------------------------------------------------
def complaints():
    unavailable = error("engine_unavailable", why="it did not scan")
    for line, expected in (
            (b"404 Service not found", error("not_configured", why="no such service")),
            (b"405 Method not allowed", error("not_configured", why="no such method")),
            (b"401 Unauthorized", error("authentication_failed", why="it says so")),
            (b"408 Request timeout", unavailable), (b"418 Bad composition", unavailable),
            (b"500 Server error", unavailable), (b"502 Bad gateway", unavailable),
            (b"503 Service overloaded", unavailable), (b"539 No licence", unavailable)):
        yield Variant("says ERROR", line.decode(), expected, transports=BOTH, script=_reply(
            lambda r, line=line: headers(b"ICAP/1.0 " + line)), sample=line.startswith(b"5"))
    yield Variant("says ERROR", "503, later", error("rate_limited", why="it names a time"), _reply(
        lambda r: headers(b"ICAP/1.0 503 Overloaded", b"Retry-After: 3600")))
    for code, kind in ((b"decode_error", "corrupt"), (b"password_protected", "encrypted"),
                       (b"max_archive_layers_exceeded", "limit_exceeded"),
                       (b"file_type_blocked", "unsupported")):
        yield Variant("says ERROR", code.decode(), error(kind, why="it could not look"), _reply(
            lambda r, code=code: headers(b"ICAP/1.0 500 Error", b"X-Error-Code: " + code)),
            sample=code == b"decode_error")
    for threat, kind in ((b"Container size violation", "limit_exceeded"),
                         (b"Encrypted container violation", "encrypted"),
                         (b"Scanbridge.Unscanned.timeout", "engine_unavailable"),
                         (b"Odd", "unsupported")):
        yield Variant("says ERROR", f"Type=2: {threat.decode()}", error(kind, why="no infection"),
                      _reply(lambda r, threat=threat: r.blocked(
                          b"X-Infection-Found: Type=2; Resolution=2; Threat=%b;" % threat)))
    yield Variant("says ERROR", "found, by a clamd that met a limit",
                  error("limit_exceeded", why="no infection"), _reply(
                      lambda r: r.found(name=b"Heuristics.Limits.Exceeded.MaxFileSize")))


def tags():
    yield Variant("ISTag", "missing in the reply", TRUTH, transports=BOTH, script=_reply(
        lambda r: r.found(tag=None) if r.infected else r.clean(tag=None)))
    yield Variant("ISTag", "another one than in OPTIONS", TRUTH, _reply(
        lambda r: r.found(tag=b'"other"') if r.infected else r.clean(tag=b'"other"')))
    yield Variant("ISTag", "two of them", TRUTH, _reply(
        lambda r: r.clean(b"ISTag: " + TAG) if not r.infected else r.found()))


def vendors():
    for line in (b"X-Virus-ID: Evil", b"X-Virus-Name: Evil", b"X-FSecure-Infection-Name: \"Evil\"",
                 b"X-FSecure-Scan-Result: infected",
                 b"X-Violations-Found: 1\r\n\tfile\r\n\tEvil\r\n\t0\r\n\t2"):
        for detail, make in (("200", lambda r, line=line: r.blocked(line)),
                             ("204", lambda r, line=line: r.clean(line))):
            yield Variant("found, by another header", f"{line.split(b':')[0].decode()}, {detail}",
                          FOUND, _reply(make), sample=detail == "204")


# --- previews ---------------------------------------------------------------------------------
def previews():
    def seen(detail, expected, script, **keywords):
        return Variant("preview", detail, expected, script, settings=PREVIEW, **keywords)

    missing = lambda peer, request: peer.hang()  # noqa: E731
    for size in (0, 1, 10, 999):
        yield seen(f"of {size} bytes, then the rest", TRUTH, _on(
            size, reply=lambda peer, request: peer.send(request.answer())), transports=BOTH,
            sample=size in (0, 10))
    for size in (1000, 4096):
        yield seen(f"of {size} bytes holds all", TRUTH, _on(
            size, reply=lambda peer, request: peer.send(request.answer())), transports=BOTH)
        yield seen(f"of {size} bytes holds all, and 100 comes", WRONG, _on(
            size, reply=lambda peer, request: peer.send(b"ICAP/1.0 100 Continue\r\n\r\n")))
    yield seen("204 for a verdict", TRUTH, _on(10, previewed=lambda peer, request: (
        peer.send(request.clean()), peer.close())), contents=("clean",))
    yield seen("found in it", FOUND, _on(10, previewed=lambda peer, request: (
        peer.send(request.found()), peer.close())))
    yield seen("100 Continue missing", LATE, _on(10, previewed=missing), slow=True, transports=BOTH)
    yield seen("half of 100 Continue", LATE, _on(10, previewed=lambda peer, request: (
        peer.send(b"ICAP/1.0 100"), peer.hang())), slow=True)
    yield seen("closed behind it", LOST, _on(10, previewed=close))
    yield seen("reset behind it", LOST, _on(10, previewed=reset))
    yield seen("closed behind 100", LOST, _on(10, previewed=lambda peer, request: (
        peer.send(b"ICAP/1.0 100 Continue\r\n\r\n"), peer.close())), size="chunks")
    yield seen("100 twice", WRONG, _on(10, previewed=lambda peer, request: (
        peer.send(b"ICAP/1.0 100 Continue\r\n\r\n" * 2))), size="chunks")
    yield seen("100 and 204 at once", WRONG, _on(10, previewed=lambda peer, request: (
        peer.send(b"ICAP/1.0 100 Continue\r\n\r\n" + request.clean()))), size="huge")
    yield seen("an echo of it", WRONG, _on(10, previewed=lambda peer, request: (
        peer.send(request.echo()), peer.close())))
    yield seen("101", WRONG, _on(10, previewed=lambda peer, request: (
        peer.send(b"ICAP/1.0 101 What\r\n\r\n"), peer.close())))


def reused():
    """The second scan on a pooled connection meets the fault that the first one did not. Behind a
    detection there is no second one: what follows it was not read."""
    actions = (
        ("close after k bytes", "after the headers", LOST, dict(requested=close)),
        ("RST after upload", "before the reply", LOST, dict(reply=reset)),
        ("EOF only", "after the upload", LOST, dict(reply=close)),
        ("garbage", "odd bytes", WRONG, dict(reply=lambda peer, request: peer.send(b"\xfe\xff\n"))),
        ("truncated at every byte", "after 9", CUT,
         dict(reply=lambda peer, request: (peer.send(request.answer()[:9]), peer.close()))),
    )
    for fault, detail, expected, places in actions:
        yield Variant(fault, f"{detail}, in a connection used before", Expected(
            True, expected.kinds, why="a connection that breaks may be replaced by a new one"),
            _on(**places), warm=1, armed=second_on_connection, contents=("clean",))
    yield Variant("reply then EOF", "the pooled connection is gone when it is needed again", TRUTH,
                  _on(reply=lambda peer, request: (peer.send(request.answer()), peer.close())),
                  warm=1, armed=always)
    yield Variant("reply then EOF", "Connection: close", TRUTH, _on(
        reply=lambda peer, request: (peer.send(request.answer().replace(
            b"ISTag", b"Connection: close\r\nISTag", 1)), peer.close())), warm=1)


GROUPS = (connections, discovery, uploads, early_replies, slowness, pieces, garbage, framing, echoes,
          floods, names, doubles, complaints, tags, vendors, previews, reused)


def variants():
    for group in GROUPS:
        yield from group()
