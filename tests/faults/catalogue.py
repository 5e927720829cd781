# SPDX-License-Identifier: MIT
"""The twenty faults of a clamd, in all their variants, and what may come of each.

A Variant says where the honest script goes wrong and what a scan may then end in, with the
reason. Three expectations cover nearly everything:

    TRUTH     the fault only looks like one: the verdict must be the true one
    error()   the scan was not proved: these kinds, nothing else
    either()  both are right answers, because the two sides can't agree on what happened

`clean` is never among them unless the content is clean and was proved to be.
"""
import threading
from dataclasses import dataclass, field, replace

from faults.clamd import Clamd, Fault, THREAT, VERSION, always, first_scan, second_on_connection

PIECE = 0.004  # seconds between two pieces that have to arrive apart

INSTREAM = ("instream-unix", "instream-tcp")
FILDES = ("fildes-unix",)
ALL = INSTREAM + FILDES


# --- what may come of it ------------------------------------------------------------------
@dataclass(frozen=True)
class Expected:
    truth: bool  # the true verdict is right
    kinds: frozenset  # kinds of error that are right
    infected: bool = False  # infected is right whatever the content is: the engine said so
    suspicious: bool = False  # the same
    why: str = ""


TRUTH = Expected(True, frozenset(), why="whole and in the grammar, however it came")


def error(*kinds, why):
    return Expected(False, frozenset(kinds), why=why)


def either(*kinds, why):
    return Expected(True, frozenset(kinds), why=why)


LOST = error("connection_failed", why="the connection ended without a reply")
CUT = error("connection_failed", "protocol_error", why="a reply without its terminator is none")
WRONG = error("protocol_error", why="outside the grammar")
LATE = error("timeout", why="nothing that counts came before the deadline")


@dataclass(frozen=True)
class Variant:
    fault: str  # as safety.md section 9 names it
    detail: str
    expected: Expected
    script: object = None  # (options of Clamd) -> script; None: see address
    address: str = "listen"  # listen | refusing | silent | missing
    transports: tuple = ALL
    contents: tuple = ("infected", "clean")
    size: str = "small"  # small | chunks | huge
    warm: int = 0  # honest scans before it on the same connection
    slow: bool = False  # ends by the deadline
    sample: bool = True  # part of the short form
    armed: object = field(default=always)
    protocol: str = "clamd"  # clamd | icap
    settings: tuple = ()  # of the engine: pairs


class On(Fault):
    """A fault from functions: On(reply=lambda peer, request: …)."""

    def __init__(self, **places):
        self.struck = 0
        self.ended = threading.Event()
        for name, action in places.items():
            setattr(self, name, self._counted(action))

    def _counted(self, action):
        def run(*arguments):
            self.struck += 1
            try:
                return action(*arguments)
            finally:
                self.ended.set()
        return run


def at(chunk, action, into=None):
    """A fault at one chunk header of the upload; `into` bytes of it are still read."""
    fault = On(uploading=action)
    strike = fault.uploading

    def uploading(peer, request, seen, size):
        if seen != chunk and not (chunk == "end" and size == 0):
            return
        if into is not None:
            peer.read(min(into, 4 + size - 1))
        strike(peer, request)
    fault.uploading = uploading
    return fault


def close(peer, _request):
    peer.close()


def reset(peer, _request):
    peer.reset()


def _on(**places):
    return lambda **options: _build(On(**places), options)


def _at(*arguments, **keywords):
    return lambda **options: _build(at(*arguments, **keywords), options)


def _build(fault, options):
    return Clamd(fault, **options)


def _reply(make):
    """A reply that is other bytes than the true ones."""
    return _on(reply=lambda peer, request: peer.send(make(request)))


# --- connection ---------------------------------------------------------------------------
def connections():
    yield Variant("refused", "nobody listens", LOST, address="refusing")
    yield Variant("refused", "the socket does not exist", LOST, address="missing",
                  transports=("instream-unix", "fildes-unix"))
    yield Variant("blackholed SYN", "the handshake never completes",
                  error("timeout", "connection_failed", "engine_unavailable",
                        why="never connected; a Unix socket's full queue is told as such"),
                  address="silent", slow=True)
    yield Variant("accept then close", "at once", LOST, _on(accepted=lambda peer: peer.close()))
    yield Variant("accept then close", "with a reset", LOST,
                  _on(accepted=lambda peer: peer.reset()))
    yield Variant("accept then close", "after the command", LOST, _on(requested=close))


# --- upload -------------------------------------------------------------------------------
def uploads():
    for name, action in (("close after k bytes", close), ("RST mid-upload", reset)):
        for chunk in (0, 1, 2, 3, "end"):
            for into in (None, 1, 4, 5, 1000):
                if chunk == "end" and into is not None:
                    continue
                yield Variant(name, f"chunk {chunk}, {into or 0} bytes into it", LOST,
                              _at(chunk, action, into), transports=INSTREAM, size="chunks",
                              sample=into in (None, 5) and chunk in (0, 2))
        yield Variant(name, "before the descriptor", LOST, _at(0, action), transports=FILDES)
        yield Variant(name, "after the command", LOST, _on(requested=action), size="chunks")
    yield Variant("RST after upload", "the last length unread", LOST, _at("end", reset),
                  transports=INSTREAM)
    yield Variant("RST after upload", "before the reply", LOST, _on(reply=reset))
    yield Variant("RST after upload", "before the reply, large", LOST, _on(reply=reset),
                  size="chunks")


def early_replies():
    def early(verdict, then):
        def action(peer, request):
            peer.send(request.line(verdict))
            then(peer)
        return _at(1, action)

    def read_on(peer):
        peer.drain()
        peer.close()

    for detail, then in (("then reads on", read_on),
                         ("then reads no more", lambda peer: peer.hang(reading=False)),
                         ("then closes", lambda peer: peer.close()),
                         ("then resets", lambda peer: peer.reset())):
        gone = ("connection_failed",) if detail.endswith("s") and "reads" not in detail else ()
        yield Variant("reply before the upload ends", f"OK, {detail}",
                      error("protocol_error", *gone, why="OK before the end of the body"),
                      early(b"OK", then), transports=INSTREAM, size="huge")
        yield Variant("reply before the upload ends", f"FOUND, {detail}",
                      Expected(False, frozenset(("protocol_error",) + gone), infected=True,
                               why="found early is odd, never clean"),
                      early(THREAT + b" FOUND", then), transports=INSTREAM, size="huge",
                      sample=detail == "then reads on")
    for limit in (0, 65536, 100000):
        yield Variant("reply before the upload ends", f"size limit {limit}, then a reset",
                      error("file_too_large", "connection_failed",
                            why="the text may be lost in the reset; never clean"),
                      lambda limit=limit, **options: Clamd(On(), stream_max=limit, **options),
                      transports=INSTREAM, size="chunks", sample=limit == 100000)


# --- time ---------------------------------------------------------------------------------
def slowness():
    yield Variant("1 B/s drip", "the reply", LATE, slow=True,
                  script=_on(reply=lambda peer, request: peer.drip(request.line(), 1)))
    yield Variant("1 B/s drip", "the reply, at 250 B/s", TRUTH,
                  _on(reply=lambda peer, request: peer.drip(request.line(), PIECE)))
    yield Variant("1 B/s drip", "the upload is read at it", LATE, slow=True,
                  script=_at(1, lambda peer, request: _read_slowly(peer)),
                  transports=INSTREAM, size="huge")
    yield Variant("hang", "after the upload", LATE, slow=True,
                  script=_on(reply=lambda peer, request: peer.hang()))
    yield Variant("hang", "after the upload, large", LATE, slow=True, size="chunks",
                  script=_on(reply=lambda peer, request: peer.hang()), sample=False)
    yield Variant("hang", "after accepting", LATE, slow=True,
                  script=_on(accepted=lambda peer: peer.hang()))
    yield Variant("half-open peer", "reads nothing after the command", LATE, slow=True,
                  script=_on(requested=lambda peer, request: peer.hang(reading=False)),
                  size="huge")
    yield Variant("half-open peer", "stops reading in the middle", LATE, slow=True,
                  script=_at(2, lambda peer, request: peer.hang(reading=False)),
                  transports=INSTREAM, size="huge", sample=False)
    yield Variant("half-open peer", "half-closes after the command, reads on",
                  error("connection_failed", why="no reply can come any more"),
                  _on(requested=lambda peer, request: (peer.half_close(), peer.drain(),
                                                       peer.close())))
    yield Variant("half-open peer", "half-closes in the middle, reads on",
                  error("connection_failed", why="no reply can come any more"),
                  _at(1, lambda peer, request: (peer.half_close(), peer.drain(), peer.close())),
                  transports=INSTREAM, size="chunks")


def _read_slowly(peer):
    while True:
        peer.read(1)
        peer.pause(1)


# --- the reply's bytes --------------------------------------------------------------------
def pieces():
    longest = len(b"1: stream: " + THREAT + b" FOUND\0") + 1
    shortest = len(b"1: stream: OK\0") + 1
    for content, length in (("infected", longest), ("clean", shortest)):
        for k in range(length):
            def split(peer, request, k=k):
                peer.send_split(request.line(), min(k, len(request.line()) - 1), PIECE)

            def truncate(peer, request, k=k):
                peer.send(request.line()[:min(k, len(request.line()) - 1)])
                peer.close()
            few = k in (1, 10, 12)
            if k:
                yield Variant("reply split at every byte", f"after {k}", TRUTH, _on(reply=split),
                              contents=(content,), sample=few)
            yield Variant("truncated at every byte", f"after {k}", CUT if k else LOST,
                          _on(reply=truncate), contents=(content,), sample=few)
    yield Variant("truncated at every byte", "half of it, then silence", LATE, slow=True,
                  script=_on(reply=lambda peer, request: (
                      peer.send(request.line()[:len(request.line()) // 2]), peer.hang())))
    yield Variant("missing terminator", "then EOF", CUT,
                  _on(reply=lambda peer, request: peer.send(request.line()[:-1]) or peer.close()))
    yield Variant("missing terminator", "then silence", LATE, slow=True,
                  script=_on(reply=lambda peer, request: (peer.send(request.line()[:-1]),
                                                          peer.hang())))
    yield Variant("missing terminator", "LF instead of NUL, then EOF", CUT,
                  _on(reply=lambda peer, request: (peer.send(request.line()[:-1] + b"\n"),
                                                   peer.close())))
    yield Variant("reply then EOF", "whole reply", TRUTH,
                  _on(reply=lambda peer, request: (peer.send(request.line()), peer.close())))
    yield Variant("reply then EOF", "whole reply, then a half-close", TRUTH,
                  _on(reply=lambda peer, request: (peer.send(request.line()), peer.half_close(),
                                                   peer.drain(), peer.close())))
    yield Variant("EOF only", "after the upload", LOST, _on(reply=close))
    yield Variant("EOF only", "after the upload, large", LOST, _on(reply=close), size="chunks")


def garbage():
    odd = bytes(range(255, 0, -1))
    rows = (
        ("255 odd bytes", lambda r: odd + r.terminator),
        ("an empty reply", lambda r: r.terminator),
        ("no label", lambda r: r.line()[:-len(r.label) - len(r.verdict) - 3] + b"OK\0"),
        ("no space", lambda r: r.line(b"OK").replace(b": OK", b":OK")),
        ("lower case", lambda r: r.line(b"ok")),
        ("blank behind", lambda r: r.line(b"OK ")),
        ("blank before", lambda r: b" " + r.line(b"OK")),
        ("two blanks", lambda r: r.line(b" OK")),
        ("OK twice", lambda r: r.line(b"OK OK")),
        ("OK and LF", lambda r: r.line(b"OK\n")),
        ("FOUND without name", lambda r: r.line(b"FOUND")),
        ("FOUND with empty name", lambda r: r.line(b" FOUND")),
        ("(null) FOUND", lambda r: r.line(b"(null) FOUND")),
        ("Empty file", lambda r: r.line(b"Empty file")),
        ("an HTTP answer", lambda r: b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n\0"),
        ("PONG", lambda r: r.line()[:-len(r.label) - len(r.verdict) - 3] + b"PONG\0"),
        ("NUL before", lambda r: b"\0" + r.line(b"OK")),
        ("OK, NUL, more", lambda r: r.line(b"OK") + b"and more"),
        ("only the id", lambda r: b"1: \0"),
    )
    for detail, make in rows:
        yield Variant("garbage", detail, WRONG, _reply(make), sample=detail in (
            "255 odd bytes", "no label", "(null) FOUND", "OK, NUL, more"))
    yield Variant("garbage", "odd bytes without end", CUT,
                  _on(reply=lambda peer, request: (peer.send(odd), peer.close())))


def names():
    found = Expected(False, frozenset(), infected=True, why="an odd name is still a detection")
    rows = (
        ("8-bit", b"Ev\xffil\xc3\x28 FOUND", found, b"O\x80K"),
        ("CRLF", b"Evil\r\nX-Header: 1\r\n FOUND", Expected(
            False, frozenset(("protocol_error",)), infected=True,
            why="a colon and blank in the name make the label doubtful"), b"OK\r\n"),
        ("CR LF without colon", b"Evil\r\nName FOUND", found, b"\r\nOK"),
        ("NUL", b"Evil\0Name FOUND", WRONG, b"O\0K"),
        ("escape sequence", b"\x1b[2J\x1b[31mEvil FOUND", found, b"\x1b[2JOK"),
        ("300 bytes", b"A" * 300 + b" FOUND", found, b"A" * 300 + b"OK"),
        ("100,000 bytes", b"A" * 100000 + b" FOUND", WRONG, b"A" * 100000 + b"OK"),
        ("path", b"../../etc/passwd FOUND", found, b"../../OK"),
        ("markup", b"<script>\"'&% FOUND", found, b"<OK>"),
    )
    for detail, bad, expected, noise in rows:
        few = detail in ("8-bit", "CR LF without colon", "NUL")
        yield Variant("NUL/8-bit/CRLF in a name", detail, expected, sample=few,
                      script=_reply(lambda r, bad=bad: r.line(bad)), contents=("infected",))
        yield Variant("NUL/8-bit/CRLF in a name", f"{detail}, around OK", WRONG, sample=few,
                      script=_reply(lambda r, noise=noise: r.line(noise)), contents=("clean",))


def floods():
    def flood(start, total):
        def action(peer, request):
            peer.send(start)
            peer.flood(b"A" * 65536, total)
            peer.close()
        return _on(reply=action)

    yield Variant("10 MiB reply without newline", "letters", WRONG, flood(b"", 10 << 20))
    yield Variant("10 MiB reply without newline", "begins well", WRONG,
                  flood(b"1: stream: ", 10 << 20))
    yield Variant("endless reply", "letters", WRONG, flood(b"", None))
    yield Variant("endless reply", "begins well", WRONG, flood(b"1: stream: ", None),
                  sample=False)
    yield Variant("endless reply", "empty replies without end", WRONG,
                  _on(reply=lambda peer, request: peer.flood(b"\0" * 65536)))


def doubles():
    def twice(first, second):
        return lambda r: r.line(first(r)) + r.line(second(r))

    true = lambda r: r.verdict  # noqa: E731
    rows = (("OK, OK", lambda r: b"OK", lambda r: b"OK"),
            ("OK, FOUND", lambda r: b"OK", lambda r: THREAT + b" FOUND"),
            ("FOUND, OK", lambda r: THREAT + b" FOUND", lambda r: b"OK"),
            ("OK, ERROR", lambda r: b"OK", lambda r: b"Can't allocate memory ERROR"),
            ("ERROR, OK", lambda r: b"Can't allocate memory ERROR", lambda r: b"OK"),
            ("the truth twice", true, true))
    for detail, first, second in rows:
        yield Variant("two replies", f"{detail}, in one packet", WRONG,
                      _reply(twice(first, second)), sample="ERROR" not in detail)
    yield Variant("two replies", "the second begins", WRONG, _reply(lambda r: r.line() + b"1"))

    def late(peer, request):
        peer.send(request.line())
        peer.pause(PIECE)
        peer.send(request.line(b"OK"))
    yield Variant("two replies", "the second later",
                  either("protocol_error", why="the first was proved when it came"),
                  _on(reply=late))

    yield Variant("two replies", "the next request's answer, ahead of it", WRONG,
                  _reply(lambda r: r.line() + r.line(b"OK", ident=(r.ident or 0) + 1)))

    def ahead_later(peer, request):
        peer.send(request.line())
        peer.pause(PIECE)
        if request.ident is not None:
            peer.send(request.line(b"OK", ident=request.ident + 1))
    # The warm scan's session holds a stray answer by the time the second scan begins.
    yield Variant("two replies", "a stray OK waits in the pooled session",
                  either("protocol_error", "connection_failed",
                         why="what was there before the request answers nothing"),
                  _on(reply=ahead_later), warm=1,
                  armed=lambda connection, here, everywhere: everywhere == 0)


def strangers():
    for detail, ident in (("the next id", lambda i: i + 1), ("id 0", lambda i: 0),
                          ("id + 2^32", lambda i: i + 2**32), ("id + 2^64", lambda i: i + 2**64),
                          ("id 999", lambda i: 999)):
        yield Variant("reply for another id or label", detail, WRONG,
                      _reply(lambda r, ident=ident: r.line(ident=ident(r.ident or 0))),
                      sample=detail in ("the next id", "id + 2^32"))
    for detail, prefix in (("id with a zero before", b"0"), ("negative id", b"-"),
                           ("id with a sign", b"+"), ("id with a blank before", b" ")):
        yield Variant("reply for another id or label", detail, WRONG, sample=False,
                      script=_reply(lambda r, prefix=prefix: prefix + r.line()))
    yield Variant("reply for another id or label", "an id or none, the other way round", WRONG,
                  _reply(lambda r: b"1: " + r.line() if r.ident is None
                         else r.line().split(b": ", 1)[1]))
    for detail, label in (("a path", b"/tmp/x"), ("the other command's", None), ("empty", b""),
                          ("Stream", b"Stream"), ("stream with a blank", b"stream ")):
        yield Variant("reply for another id or label", f"label: {detail}", WRONG,
                      _reply(lambda r, label=label: r.line(label=_other(r) if label is None
                                                           else label)),
                      sample=label in (None, b"/tmp/x"))


def _other(request):
    return b"fd[7]" if request.command == b"INSTREAM" else b"stream"


# --- what clamd itself says, and its identity ---------------------------------------------
def complaints():
    for text, kinds in (
            (b"Can't allocate memory ERROR", ("engine_unavailable",)),
            (b"Error writing to temporary file ERROR", ("engine_unavailable",)),
            (b"Exceeded time limit ERROR", ("limit_exceeded",)),
            (b"Can't parse data ERROR", ("corrupt",)),
            (b"Something nobody has heard of ERROR", ("engine_unavailable",)),
            (b"Heuristics.Limits.Exceeded.MaxFileSize FOUND", ("limit_exceeded",)),
            (b"Heuristics.Encrypted.Zip FOUND", ("encrypted",)),
            (b"Heuristics.Broken.Executable FOUND", ("corrupt",))):
        yield Variant("says ERROR", text.decode(), error(*kinds, why="clamd did not scan it"),
                      _reply(lambda r, text=text: r.line(text)),
                      sample=text.startswith((b"Can't allocate", b"Heuristics.Limits")))
    yield Variant("says ERROR", "COMMAND READ TIMED OUT",
                  error("timeout", why="clamd waited longer than its ReadTimeout"),
                  _on(reply=lambda peer, request: (peer.send(b"COMMAND READ TIMED OUT\n"),
                                                   peer.close())))


def identities():
    """VERSION fails: the verdict may stand without it, but nothing may break or last."""
    any_kind = either("connection_failed", "protocol_error", "timeout", "engine_unavailable",
                      why="identity is not evidence about the content")
    for detail, action, slow in (
            ("closed", lambda peer, line: peer.close(), False),
            ("hangs", lambda peer, line: peer.hang(), True),
            ("garbage", lambda peer, line: peer.send(b"\xff\0\xfe\0"), False),
            ("endless", lambda peer, line: peer.flood(b"A" * 65536), False),
            ("100,000 bytes", lambda peer, line: peer.send(VERSION + b"A" * 100000 + b"\0"), False),
            ("an empty line", lambda peer, line: peer.send(b"\0"), False)):
        yield Variant("VERSION fails", detail, any_kind, _on(version=action), slow=slow,
                      sample=detail in ("closed", "hangs", "endless"))


def reused():
    """The second scan on a pooled session meets the fault that the first one did not."""
    actions = (
        ("close after k bytes", "after the command", LOST, dict(requested=close)),
        ("RST after upload", "before the reply", LOST, dict(reply=reset)),
        ("EOF only", "after the upload", LOST, dict(reply=close)),
        ("garbage", "odd bytes", WRONG,
         dict(reply=lambda peer, request: peer.send(b"\xfe\xff\0"))),
        ("reply for another id or label", "the first id again", WRONG,
         dict(reply=lambda peer, request: peer.send(request.line(ident=1)))),
        ("reply split at every byte", "after 4", TRUTH,
         dict(reply=lambda peer, request: peer.send_split(request.line(), 4, PIECE))),
        ("truncated at every byte", "after 9", CUT,
         dict(reply=lambda peer, request: (peer.send(request.line()[:9]), peer.close()))),
    )
    for fault, detail, expected, places in actions:
        yield Variant(fault, f"{detail}, in a session used before", Expected(
            True, expected.kinds, why="a session that breaks may be replaced by a new one"),
            _on(**places), warm=1, armed=second_on_connection)

    def answer_and_leave(peer, request):
        peer.send(request.line())
        peer.close()
    yield Variant("reply then EOF", "the pooled session is gone when it is needed again", TRUTH,
                  _on(reply=answer_and_leave), warm=1)


GROUPS = (connections, uploads, early_replies, slowness, pieces, garbage, names, floods, doubles,
          strangers, complaints, identities, reused)


def variants():
    for group in GROUPS:
        yield from group()


def retried(chosen=None):
    """The same faults once, with two more attempts allowed: a fresh one finds the truth
    where safety.md allows a retry, and where it does not the error stays."""
    for variant in chosen or variants():
        if variant.address != "listen" or variant.warm or variant.armed is not always:
            continue
        if variant.fault == "VERSION fails" or variant.expected == TRUTH:
            continue
        expected = variant.expected
        if expected.kinds == {"connection_failed"}:
            expected = replace(expected, truth=True, kinds=frozenset(),
                               why="a lost connection is tried again")
        elif expected.kinds & {"connection_failed", "engine_unavailable"} or (
                "timeout" in expected.kinds and not variant.slow):
            expected = replace(expected, truth=True,
                               why="tried again if there was time, or the connection was lost")
        yield replace(variant, expected=expected, armed=first_scan)
