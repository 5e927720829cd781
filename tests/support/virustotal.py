# SPDX-License-Identifier: MIT
"""VirusTotal's API v3 as far as an engine meets it, on a port of this machine: lookups, uploads,
upload URLs that hold once, analyses that take their time, quota. Honest unless told otherwise.

A script for faults.server: give it to Server.listen_tcp(), then ask `base` for the address. A
*fault* takes the place of one kind of answer: `fault["file"] = function(peer, request)`. It sends
what it likes; what it returns, if anything, is sent as an answer.
"""
import base64
import hashlib
import json
import re
import threading
import time

KEY = "0f1e2d3c4b5a69788796a5b4c3d2e1f0" * 2
VENDORS = 60
DAY = 86400


class Request:
    def __init__(self, method, path, headers, body):
        self.method, self.path, self.headers, self.body = method, path, headers, body

    def __repr__(self):
        return f"{self.method} {self.path}"


class Upload:
    """What came in a form: the one part `file`."""

    def __init__(self, request):
        boundary = re.search(r"boundary=(\S+)", request.headers["content-type"])[1].encode()
        head, _, rest = request.body.partition(b"\r\n\r\n")
        assert head.startswith(b"--" + boundary), head
        self.name = re.search(rb'filename="([^"]*)"', head)[1].decode()
        self.field = re.search(rb'name="([^"]*)"', head)[1].decode()
        self.head = head
        end = b"\r\n--" + boundary + b"--\r\n"
        assert rest.endswith(end), rest[-200:]
        self.data = rest[:-len(end)]


def sha256(data):
    return hashlib.sha256(data).hexdigest()


def answer(status, body, **headers):
    """An HTTP answer; a body that isn't bytes becomes JSON."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    lines = [f"HTTP/1.1 {status} Whatever", f"Content-Length: {len(data)}",
             "Content-Type: application/json"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + data


def problem(status, code, message="", **headers):
    return answer(status, {"error": {"code": code, "message": message}}, **headers)


def votes(malicious=0, suspicious=0, undetected=None):
    """Counters and the vendors' own words, alike."""
    if undetected is None:
        undetected = VENDORS - malicious - suspicious
    words = ["malicious"] * malicious + ["suspicious"] * suspicious + ["undetected"] * undetected
    results = {f"Vendor{number}": {
        "category": word, "engine_name": f"Vendor{number}", "engine_version": "1.2",
        "engine_update": "20260101", "method": "blacklist",
        "result": f"Test.Virus.{number}" if word != "undetected" else None}
        for number, word in enumerate(words)}
    return {"malicious": malicious, "suspicious": suspicious, "undetected": undetected,
            "harmless": 0, "timeout": 0, "failure": 0, "type-unsupported": 4}, results


class VirusTotal:
    def __init__(self, key=KEY, **routes):
        self.key = key
        self.known = {}  # sha256 → attributes
        self.verdicts = {}  # sha256 → votes(…) that an analysis will come to
        self.analyses = {}  # id → [sha256, polls left]
        self.urls = set()  # upload URLs that still hold
        self.polls = 1  # how often an analysis says that it isn't done
        self.may_complete = lambda: True
        self.quota = None  # requests left; None: any number
        self.retry_after = None
        self.latency = 0  # s, as the real one's; for measuring
        self.requests, self.uploads = [], []
        self.fault = dict(routes)
        self.listener = None
        self.lock = threading.RLock()

    # --- set up ---
    def listen(self, server):
        self.listener = server.listen_tcp(self)
        return self

    @property
    def root(self):
        return "http://" + self.listener.address.removeprefix("tcp:")

    @property
    def base(self):
        return self.root + "/api/v3"

    def know(self, data, age=DAY, **counts):
        stats, results = votes(**counts)
        self.known[sha256(data)] = {"last_analysis_stats": stats, "last_analysis_results": results,
                                    "last_analysis_date": int(time.time()) - age}
        return self

    def will_find(self, data, **counts):
        self.verdicts[sha256(data)] = votes(**counts)
        return self

    # --- what was asked ---
    def count(self, method, prefix=""):
        with self.lock:
            return sum(r.method == method and r.path.startswith("/api/v3/" + prefix)
                       for r in self.requests)

    # --- one connection ---
    def __call__(self, peer):
        while True:
            request = self._read(peer)
            with self.lock:
                self.requests.append(request)
                peer.requests.append(repr(request).encode())
            route, parts = self._route(request)
            time.sleep(self.latency)
            fault = self.fault.get(route)
            said = fault(peer, request) if fault else self._answer(route, parts, request)
            if said is not None:
                peer.send(said)

    @staticmethod
    def _read(peer):
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            head += peer.read_until(b"\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        method, path, _ = first.split(" ")
        headers = {}
        for line in filter(None, lines):
            name, value = line.split(":", 1)
            headers[name.lower()] = value.strip()
        return Request(method, path, headers, peer.read(int(headers.get("content-length", 0))))

    @staticmethod
    def _route(request):
        for route, method, pattern in (
                ("upload_url", "GET", r"/api/v3/files/upload_url"),
                ("file", "GET", r"/api/v3/files/([0-9a-f]{64})"),
                ("upload", "POST", r"/api/v3/files"),
                ("upload_at", "POST", r"(/_ah/upload/.*)"),
                ("analysis", "GET", r"/api/v3/analyses/(.+)")):
            match = re.fullmatch(pattern, request.path)
            if match and request.method == method:
                return route, match.groups()
        return "unknown", ()

    # --- answers ---
    def _answer(self, route, parts, request):
        if request.headers.get("x-apikey") != self.key:
            return problem(401, "WrongCredentialsError", "Wrong API key")
        with self.lock:
            if self.quota is not None:
                self.quota -= 1
                if self.quota < 0:
                    headers = {"Retry_After": self.retry_after} if self.retry_after else {}
                    return problem(429, "QuotaExceededError", "Quota exceeded", **headers)
            return getattr(self, "_" + route)(*parts, request=request)

    def _unknown(self, request):
        return problem(404, "NotFoundError", request.path)

    def _file(self, digest, request):
        if digest not in self.known:
            return problem(404, "NotFoundError", f'File "{digest}" not found')
        return answer(200, {"data": {"type": "file", "id": digest,
                                     "attributes": self.known[digest]}})

    def _upload_url(self, request):
        path = f"/_ah/upload/{len(self.requests)}"
        self.urls.add(path)
        return answer(200, {"data": self.root + path})

    def _upload_at(self, path, request):
        if path not in self.urls:
            return answer(404, b"<html>this URL was used or has expired</html>")
        self.urls.discard(path)
        return self._upload(request)

    def _upload(self, request):
        upload = Upload(request)
        self.uploads.append(upload)
        number = f"{sha256(upload.data)}:{len(self.uploads)}"
        name = base64.urlsafe_b64encode(number.encode()).decode()
        self.analyses[name] = [sha256(upload.data), self.polls]
        return answer(200, {"data": {"type": "analysis", "id": name}})

    def _analysis(self, name, request):
        if name not in self.analyses:
            return problem(404, "NotFoundError", name)
        entry = self.analyses[name]
        digest = entry[0]
        attributes = {"status": "queued", "date": int(time.time()), "stats": {}, "results": {}}
        if entry[1] > 0 or not self.may_complete():
            entry[1] -= 1
        else:
            stats, results = self.verdicts.get(digest, votes())
            attributes |= {"status": "completed", "stats": stats, "results": results}
        return answer(200, {"meta": {"file_info": {"sha256": digest}}, "data": {
            "type": "analysis", "id": name, "attributes": attributes}})
