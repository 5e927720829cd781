# SPDX-License-Identifier: MIT
"""The faults of a VirusTotal, or of what stands between it and us: at the lookup, at an upload and
at the look at an analysis; and what may come of each."""
import json
import zlib

from faults.catalogue import TRUTH, Expected, error
from support.virustotal import answer, problem, votes

LOST = error("connection_failed", why="the connection ended before the answer was whole")
WRONG = error("protocol_error", why="no answer to what was asked")
LATE = error("timeout", why="nothing that counts came before the deadline")
ILL = error("engine_unavailable", why="it says that it can't work")
LIMITED = error("rate_limited", why="it says that it was asked too often")
REFUSED = error("authentication_failed", why="it refuses the key")
ABSTAINS = error("unsupported", why="no opinion, which is none")

ROUTES = ("file", "upload", "analysis")


class Row:
    """A fault in one place. `play` is given the simulator, the peer and the request."""

    def __init__(self, name, expected, play=None, routes=ROUTES, slow=False, address="listen"):
        self.name, self.expected, self.play = name, expected, play
        self.routes, self.slow, self.address = routes, slow, address


def honest(vt, request):
    """What it would have said."""
    route, parts = vt._route(request)
    return vt._answer(route, parts, request)


def split(reply):
    head, _, body = reply.partition(b"\r\n\r\n")
    return head, body


def close(_vt, peer, _request):
    peer.close()


def reset(_vt, peer, _request):
    peer.reset()


def hang(_vt, peer, _request):
    peer.hang()


def says(make):
    """An answer made from the request alone."""
    return lambda vt, peer, request: peer.send(make(request))


def sends(change):
    """The honest answer, changed; the connection ends behind it."""
    def play(vt, peer, request):
        peer.send(change(honest(vt, request)))
        peer.close()
    return play


def cut_at(place):
    """So much of the body, and the end. Negative: from behind."""
    def change(reply):
        head, body = split(reply)
        return head + b"\r\n\r\n" + body[:place if place >= 0 else len(body) + place]
    return sends(change)


def body(change):
    """The honest answer with another body and its right length."""
    def play(vt, peer, request):
        _, data = split(honest(vt, request))
        peer.send(answer(200, change(json.loads(data))))
    return play


def with_attributes(**members):
    def change(document):
        attributes = document["data"].get("attributes")
        if attributes is not None:
            attributes.update(members)
        return document
    return change


def without(*path):
    def change(document):
        at = document
        for name in path[:-1]:
            at = at.get(name, {})
        at.pop(path[-1], None)
        return document
    return change


def put(value, *path):
    def change(document):
        at = document
        for name in path[:-1]:
            at = at[name]
        at[path[-1]] = value
        return document
    return change


def chunked_and_cut(vt, peer, request):
    _, data = split(honest(vt, request))
    half = data[:len(data) // 2]
    peer.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n"
              % (len(half), half))
    peer.close()


def chunked(vt, peer, request):
    _, data = split(honest(vt, request))
    peer.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    for start in range(0, len(data), 100):
        piece = data[start:start + 100]
        peer.send(b"%x\r\n%s\r\n" % (len(piece), piece))
    peer.send(b"0\r\n\r\n")


def compressed(vt, peer, request):
    """Nobody asked for it."""
    _, data = split(honest(vt, request))
    peer.send(answer(200, zlib.compress(data), Content_Encoding="deflate"))


def dripping(vt, peer, request):
    peer.drip(honest(vt, request), 0.05)


def in_two(vt, peer, request):
    reply = honest(vt, request)
    peer.send_split(reply, len(reply) // 2, 0.02)


def flood_of(head, block):
    def play(_vt, peer, _request):
        peer.send(head)
        peer.flood(block)
    return play


def continues_for_ever(_vt, peer, _request):
    while True:
        peer.send(b"HTTP/1.1 100 Continue\r\n\r\n")
        peer.pause(0.01)


def and_more(vt, peer, request):
    """A second answer behind the first: of no use to anybody."""
    stats, results = votes()
    peer.send(honest(vt, request))
    peer.send(answer(200, {"data": {"type": "file", "id": "x", "attributes": {
        "last_analysis_stats": stats, "last_analysis_results": results}}}))
    peer.close()


def both(*faults):
    return Expected(False, frozenset(k for fault in faults for k in fault.kinds),
                    why=" or ".join(fault.why for fault in faults))


def emptied(document, key):
    attributes = document["data"]["attributes"]
    attributes.pop(key)
    attributes.pop(key.replace("stats", "results"))
    return document


STATS = {"file": "last_analysis_stats", "analysis": "stats"}


def rows():
    yield Row("nobody listens", LOST, address="refusing", routes=("file",))
    yield Row("no handshake", LATE, address="silent", routes=("file",), slow=True)
    yield Row("closes", LOST, close)
    yield Row("resets", LOST, reset)
    yield Row("hangs", LATE, hang, slow=True)
    yield Row("drips", LATE, dripping, slow=True)
    yield Row("in two pieces", TRUTH, in_two)
    yield Row("in chunks", TRUTH, chunked)
    yield Row("and more behind it", TRUTH, and_more)
    # --- cut ---
    for name, place in (("nothing of the body", 0), ("a byte", 1), ("half", 60),
                        ("all but a byte", -1)):
        yield Row(f"cut: {name}", LOST, cut_at(place))
    yield Row("cut in a chunk", LOST, chunked_and_cut)
    yield Row("cut in the header", both(LOST, WRONG), sends(lambda reply: reply[:20]))
    # --- no HTTP, no JSON ---
    yield Row("a line of text", WRONG, sends(lambda _: b"clean\r\n"))
    yield Row("bytes", WRONG, sends(lambda _: bytes(range(256)) * 4))
    yield Row("a page", WRONG, says(lambda _: answer(200, b"<html>clean</html>")))
    yield Row("an empty body", WRONG, says(lambda _: answer(200, b"")))
    yield Row("no content", WRONG, says(lambda _: answer(204, b"")))
    yield Row("null", WRONG, says(lambda _: answer(200, None)))
    yield Row("a list", WRONG, says(lambda _: answer(200, [])))
    yield Row("nested without end", WRONG, says(lambda _: answer(200, b"[" * 100000)))
    yield Row("values without end", WRONG, says(lambda _: answer(200, b"[" + b"1," * 100000)))
    yield Row("a giant string", WRONG, says(lambda _: answer(200, b'"' + b"x" * (5 << 20) + b'"')))
    yield Row("a body without end", WRONG, flood_of(b"HTTP/1.1 200 OK\r\n\r\n", b'"' * 65536))
    yield Row("headers without end", WRONG,
              flood_of(b"HTTP/1.1 200 OK\r\n", b"X-Padding: " + b"x" * 1000 + b"\r\n"))
    yield Row("a header line without end", both(WRONG, LOST, error("internal", why="")),
              flood_of(b"HTTP/1.1 200 OK\r\nX: ", b"x" * 65536))
    yield Row("continues for ever", both(WRONG, LATE), continues_for_ever, slow=True)
    yield Row("invalid UTF-8", WRONG, says(lambda _: answer(200, b'{"data":"\xff\xfe"}')))
    yield Row("compressed", WRONG, compressed)
    # --- about something else ---
    yield Row("another id", WRONG, body(put("0" * 64, "data", "id")), routes=("file", "analysis"))
    yield Row("another type", WRONG, body(put("url", "data", "type")))
    yield Row("an id with a path", WRONG, body(put("../x", "data", "id")))
    yield Row("other bytes", WRONG, body(put("0" * 64, "meta", "file_info", "sha256")),
              routes=("analysis",))
    yield Row("no word of the bytes", WRONG, body(without("meta")), routes=("analysis",))
    yield Row("no attributes", WRONG, body(without("data", "attributes")),
              routes=("file", "analysis"))
    yield Row("an odd status", WRONG, body(put("fine", "data", "attributes", "status")),
              routes=("analysis",))
    # --- missing counters: by what is left, hits count and clean is nothing ---
    for route, key in STATS.items():
        yield Row(f"{route}: no counters, no vendors", ABSTAINS,
                  body(lambda document, key=key: emptied(document, key)), routes=(route,))
        yield Row(f"{route}: counters are a text", WRONG, body(with_attributes(**{key: "0"})),
                  routes=(route,))
        yield Row(f"{route}: negative", WRONG, body(with_attributes(**{key: {"malicious": -1}})),
                  routes=(route,))
    # --- other servers ---
    yield Row("redirect", WRONG, says(lambda _: answer(302, b"", Location="http://127.0.0.1:1/")))
    yield Row("a gateway fails", ILL, says(lambda _: answer(502, b"<html>")))
    yield Row("transient", ILL, says(lambda _: problem(503, "TransientError")))
    yield Row("internal", ILL, says(lambda _: answer(500, b"")))
    yield Row("not a page of its own", WRONG, says(lambda _: answer(404, b"<html>")),
              routes=("file", "analysis"))
    yield Row("bad request", WRONG, says(lambda _: problem(400, "BadRequestError")))
    yield Row("quota", LIMITED, says(lambda _: problem(429, "QuotaExceededError",
                                                       Retry_After=600)))
    yield Row("a quota without end", LIMITED, says(lambda _: problem(
        429, "QuotaExceededError", Retry_After="99999999999999999999")))
    yield Row("the key is refused", REFUSED, says(lambda _: problem(401, "WrongCredentialsError")))
    yield Row("forbidden", REFUSED, says(lambda _: problem(403, "ForbiddenError")))
    yield Row("unknown", ABSTAINS, says(lambda _: problem(404, "NotFoundError")),
              routes=("file",))
    yield Row("never completes", LATE, body(put("queued", "data", "attributes", "status")),
              routes=("analysis",), slow=True)
