# SPDX-License-Identifier: MIT
"""The engine icap with a scripted server: what each of its keys changes (R27), and what others need
of it."""
from accounts import verdict
from support.harness import CLEAN
from support.icap import TlsFront

from faults.icap import Fault, Icap, headers


def icap(*urls, **settings):
    return {"name": "av", "type": "icap", "url": list(urls), "retry": {"attempts": 1}} | settings


def url_of(listener, scheme="icap"):
    return listener.address.replace("tcp:", scheme + "://", 1) + "/scan"


def server(case, fault=None, **options):
    return case.server.listen_tcp(Icap(fault, **options))


class Answers(Fault):
    def __init__(self, data):
        self.data = data

    def reply(self, peer, request):
        peer.send(self.data)


def answering(case, status, *lines):
    """A server that says the same to every content."""
    return server(case, Answers(headers(b"ICAP/1.0 " + status, *lines)))


def asking(look, gives, was, **settings):
    """What look(listener) sees after two scans, with and without settings."""
    def row(case):
        case.write("more", CLEAN * 1000)
        for given, wanted in (({}, was), (settings, gives)):
            listener = server(case, preview=10)
            case.use({"engines": [icap(url_of(listener), **given)]})
            case.scan("--jobs", "1", "note.txt", "more", status=0)
            case.assertEqual(look(listener), wanted, given)
    return row


def methods(listener):
    return {word.decode() for word in listener.requests()} - {"OPTIONS"}


def connections(listener):
    """How many of them were used for contents."""
    return sum(b"RESPMOD" in peer.requests for peer in listener.peers)


def urls(case):
    """Two replicas, of which only the one that is configured may be asked."""
    for number in ([0], [1], [0, 1]):
        listeners = [server(case) for _ in range(2)]
        case.use({"engines": [icap(*(url_of(listeners[n]) for n in number))]})
        case.scan("note.txt", status=0)
        case.assertEqual([len(each.requests()) > 0 for each in listeners],
                         [number[0] == 0, number[0] == 1])


class SeesPreviews(Fault):
    def __init__(self):
        self.seen = 0

    def previewed(self, peer, request):
        self.seen += 1
        peer.send(request.clean())
        peer.close()


def previews(case):
    """Whether a server that offers previews is sent one, and its 204 is believed."""
    case.write("more", CLEAN * 1000)
    for given, wanted in (({}, 0), ({"preview_is_verdict": True}, 1)):
        fault = SeesPreviews()
        listener = server(case, fault, preview=10)
        case.use({"engines": [icap(url_of(listener), **given)]})
        case.scan("more", status=0)
        case.assertEqual(fault.seen, wanted)


def trusting(*table):
    """Over TLS with a certificate for `localhost` that signs itself."""
    def row(case):
        with TlsFront(case.folder, server(case).address) as front:
            for host, settings, wanted in table:
                if "ca" in settings:
                    settings = {"ca": str(front.certificate)}
                case.use({"engines": [icap(f"icaps://{host}:{front.port}/scan", **settings)]})
                case.assertEqual(verdict(case), wanted, settings)
    return row


def connecting(case):
    """Nobody accepts at the first place; there is time for the second one, or there is not."""
    silent = case.server.silent_tcp().replace("tcp:", "icap://", 1) + "/scan"
    for given, wanted in (("50ms", "clean allow"), ("60s", "error block timeout")):
        case.use({"engines": [icap(silent, url_of(server(case)), connect_timeout=given,
                                   timeout="1s", retry={"attempts": 3})]})
        case.assertEqual(verdict(case), wanted)


REFUSED = "error block authentication_failed"
ROWS = {
    "icap.url": urls,
    "icap.method": asking(methods, {"REQMOD"}, {"RESPMOD"}, method="reqmod"),
    "icap.preview_is_verdict": previews,
    "icap.ca": trusting(("localhost", {}, REFUSED), ("localhost", {"ca": True}, "clean allow"),
                        ("127.0.0.1", {"ca": True}, REFUSED)),
    "icap.verify": trusting(("127.0.0.1", {}, REFUSED),
                            ("127.0.0.1", {"verify": False}, "clean allow")),
    "icap.connect_timeout": connecting,
    "icap.pool": asking(connections, 2, 1, pool=False),
}
