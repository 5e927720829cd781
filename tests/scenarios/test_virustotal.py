# SPDX-License-Identifier: MIT
"""The engine virustotal against a VirusTotal of our own: what is asked, what leaves the house, what
an answer means, and where the key is to be found (nowhere)."""
import contextlib
import json
import os
import pathlib
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from faults.server import Server  # noqa: E402
from support.driver import Driver  # noqa: E402
from support.harness import (CLEAN, INFECTED, NOBODY, Case, TreeMemory, eicar,  # noqa: E402
                             engines_built, yara)
from support.virustotal import KEY, VirusTotal, answer, problem, sha256  # noqa: E402

DAY = 86400


class VirusTotalCase(Case):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        if "virustotal" not in engines_built():
            raise unittest.SkipTest("this build has no engine virustotal")

    def setUp(self):
        super().setUp()
        self.server = Server()
        self.addCleanup(self._stop)
        self.vt = VirusTotal().listen(self.server)
        self.key = self.write("key", KEY.encode() + b"\n")
        self.key.chmod(0o600)
        self.use()

    def _stop(self):
        self.server.stop()
        self.assertEqual(self.server.failures(), [])

    def use(self, sections=None, **settings):
        self.configure({"name": "vt", "type": "virustotal", "api_key_file": str(self.key),
                        "base_url": self.vt.base, "poll_interval": "10ms"} | settings,
                       **{"cache": {"enabled": False}} | (sections or {}))

    def judge(self, data=CLEAN, *words, **options):
        """The engine's entry for one content."""
        self.write("sample", data)
        return self.scan("sample", *words, **options).report["engines"][0]

    def expect_error(self, entry, kind):
        self.assertEqual((entry["outcome"], entry["error"]["kind"]), ("error", kind), entry)
        self.assertTrue(entry["error"]["message"])


class Lookups(VirusTotalCase):
    def test_what_counters_mean(self):
        """The rows of the protocol, end to end."""
        for why, counts, age, wanted in (
                ("nobody finds anything", {}, DAY, "clean"),
                ("enough do", {"malicious": 3}, DAY, "infected"),
                ("enough did long ago", {"malicious": 3}, 1000 * DAY, "infected"),
                ("too few do", {"malicious": 2}, DAY, "suspicious"),
                ("one suspects", {"suspicious": 1}, DAY, "suspicious"),
                ("too few looked", {"undetected": 9}, DAY, "unsupported"),
                ("long ago", {}, 91 * DAY, "unsupported")):
            with self.subTest(why):
                self.vt.know(CLEAN, age=age, **counts)
                entry = self.judge()
                self.assertEqual(entry["error"]["kind"] if entry["error"] else entry["outcome"],
                                 wanted, entry)

    def test_evidence(self):
        """Vendors with their words; suspicion with its share; clean with its coverage."""
        self.vt.know(CLEAN, malicious=1, suspicious=1)
        report = self.scan(self.write("sample", CLEAN)).report
        self.assertEqual([(t["name"], t["signature_id"], t["severity"], t["category"])
                          for t in report["threats"]],
                         [("Test.Virus.0", "Vendor0", "high", "malicious"),
                          ("Test.Virus.1", "Vendor1", "medium", "suspicious")])
        self.assertAlmostEqual(report["confidence"], 2 / 60, 3)
        self.vt.know(CLEAN)
        entry = self.judge()
        self.assertEqual(entry["coverage"],
                         {"state": "complete", "bytes": len(CLEAN), "content": "unknown"})
        self.assertTrue(entry["signature_version"].startswith("analysed 20"), entry)

    def test_only_the_digest_leaves_by_default(self):
        """Unknown content is an abstention, and nothing but its SHA-256 was sent."""
        entry = self.judge()
        self.expect_error(entry, "unsupported")
        self.assertTrue(entry["abstained"])
        self.assertNotIn("uploaded_to", entry)
        self.assertEqual([repr(r) for r in self.vt.requests],
                         [f"GET /api/v3/files/{sha256(CLEAN)}"])
        self.assertEqual(self.vt.requests[0].headers["x-apikey"], KEY)

    def test_unknown_is_never_clean(self):
        """Beside a clean one it takes nothing away and adds nothing; alone it is an error."""
        self.judge()
        self.assertEqual(self.scan("sample", status=2).report["outcome"], "error")
        engines = json.loads(self.config.read_text())["engines"]
        engines[0]["role"] = "optional"
        self.configure(*engines, {"name": "mock", "type": "mock"}, decision={"min_engines": 2})
        self.assert_outcome(self.scan("sample", status=2).report, "error", kind="unsupported")

    def test_weights(self):
        self.vt.know(CLEAN, malicious=2)
        for weights, wanted in (([], "suspicious"), (["Vendor0=2.5"], "infected"),
                                (["Vendor0=0", "Vendor1=0"], "clean"),
                                (["Vendor0=1.5"], "suspicious")):
            with self.subTest(weights=weights):
                self.use(vendor_weights=weights)
                self.assertEqual(self.judge()["outcome"], wanted)

    def test_settings_decide(self):
        """The same answer by other terms."""
        for counts, age, settings, was, wanted in (
                ({"malicious": 2}, DAY, {"min_detections": 2}, "suspicious", "infected"),
                ({"undetected": 9}, DAY, {"min_voters": 9}, "unsupported", "clean"),
                ({}, 91 * DAY, {"max_age": "92d"}, "unsupported", "clean"),
                ({}, 9000 * DAY, {"max_age": "off"}, "unsupported", "clean")):
            with self.subTest(settings):
                self.vt.know(CLEAN, age=age, **counts)
                for given, expected in (({}, was), (settings, wanted)):
                    self.use(**given)
                    entry = self.judge()
                    self.assertEqual(
                        entry["error"]["kind"] if entry["error"] else entry["outcome"], expected)

    def test_settings_that_make_no_sense(self):
        for settings, words in (({"vendor_weights": ["Acme"]}, "VENDOR=WEIGHT"),
                                ({"vendor_weights": ["Acme=1e9"]}, "VENDOR=WEIGHT"),
                                ({"vendor_weights": ["=1"]}, "VENDOR=WEIGHT"),
                                ({"base_url": "http://vt.example/api/v3"}, "without TLS"),
                                ({"base_url": "vt.example"}, "an address like"),
                                ({"base_url": "https://a@b/"}, "an address like"),
                                ({"upload": "sometimes"}, "upload"),
                                ({"min_voters": 0}, "min_voters")):
            with self.subTest(settings):
                self.use(**settings)
                result = self.scan(self.write("sample"))
                self.assertEqual(result.status, 2, str(result))
                self.assertIn(words, result.errors)
        self.assertEqual(self.vt.requests, [])

    def test_the_known_answer(self):
        """`engines --check` looks up EICAR's digest, and uploads nothing whatever it hears."""
        self.use(upload="always")
        result = self.run_program("engines", "--check")
        self.assertEqual(result.status, 1, str(result))
        self.vt.know(eicar(), malicious=60)
        result = self.run_program("engines", "--check")
        self.assertEqual(result.status, 0, str(result))
        self.assertEqual([repr(r) for r in self.vt.requests],
                         [f"GET /api/v3/files/{sha256(eicar())}"] * 2)


class Uploads(VirusTotalCase):
    def setUp(self):
        super().setUp()
        self.use(upload="unknown")

    def test_unknown_content_is_uploaded_and_waited_for(self):
        self.vt.will_find(CLEAN, malicious=7).polls = 3
        entry = self.judge()
        self.assertEqual((entry["outcome"], entry["uploaded_to"]), ("infected", "127.0.0.1"))
        self.assertEqual(self.vt.count("GET", "analyses/"), 4)
        upload = self.vt.uploads[0]
        self.assertEqual((upload.data, upload.field), (CLEAN, "file"))
        self.assertEqual(upload.name, sha256(CLEAN))
        self.assertNotIn(b"sample", upload.head)

    def test_clean_by_an_analysis(self):
        self.assertEqual(self.judge()["outcome"], "clean")

    def test_an_upload_is_on_record_before_it_begins(self):
        seen = []

        def look(_peer, request):
            log = (self.data / "audit.jsonl").read_text()
            seen.extend(r for r in map(json.loads, log.splitlines())
                        if r["event"] == "content_upload")
            return self.vt._answer("upload", (), request)
        self.vt.fault["upload"] = look
        self.judge()
        self.assertEqual([(r["engine"], r["to"], r["file_hash_sha256"], r["size"]) for r in seen],
                         [("vt", "127.0.0.1", sha256(CLEAN), len(CLEAN))])
        records = self.verify_audit()
        done = next(r for r in records if r["event"] == "scan_completed")
        self.assertEqual(done["engines"][0]["uploaded_to"], "127.0.0.1")
        self.assertEqual(done["scan_id"], seen[0]["scan_id"])

    def test_confidential_content_stays(self):
        for how in ("unknown", "always"):
            self.use(upload=how)
            entry = self.judge(CLEAN, "--meta", "confidential=yes")
            self.expect_error(entry, "unsupported")
            self.assertIn("confidential", entry["error"]["message"])
        self.assertEqual(self.vt.uploads, [])
        self.assertNotIn("content_upload", (self.data / "audit.jsonl").read_text())

    def test_known_content_is_not_uploaded(self):
        self.vt.know(CLEAN, undetected=2)
        self.expect_error(self.judge(), "unsupported")
        self.assertEqual(self.vt.uploads, [])

    def test_always_asks_anew_unless_it_is_infected(self):
        self.use(upload="always")
        self.vt.know(CLEAN).know(INFECTED, malicious=50).will_find(CLEAN, malicious=5)
        self.assertEqual(self.judge(INFECTED)["outcome"], "infected")
        self.assertEqual(self.vt.uploads, [])
        self.assertEqual(self.judge(CLEAN)["outcome"], "infected")
        self.assertEqual(len(self.vt.uploads), 1)

    def test_nothing_is_not_uploaded(self):
        self.expect_error(self.judge(b""), "unsupported")
        self.assertEqual(self.vt.uploads, [])

    def test_a_large_content_goes_to_an_url_of_its_own(self):
        """Streamed from where it is: the program never holds it."""
        data = b"padding " * (10 << 20)
        self.write("large", data)
        process = self.start("scan", "--json", "large")
        memory = TreeMemory(process)
        result = self.finish(process)
        self.assertEqual(result.status, 0, str(result))
        self.assertEqual(self.vt.uploads[0].data, data)
        self.assertEqual(self.vt.count("GET", "files/upload_url"), 1)
        self.assertLess(memory.result(), len(data) >> 10)

    def test_the_size_decides_about_the_way(self):
        for size, urls in ((32_000_000, 0), (32_000_001, 1)):
            self.vt.requests.clear()
            self.judge(bytes(size))
            self.assertEqual(self.vt.count("GET", "files/upload_url"), urls, size)

    def test_an_expired_url_is_fetched_anew(self):
        expired = []

        def expire(_peer, request):
            expired.append(request.path)
            self.vt.fault.clear()
            return answer(404, b"gone")
        self.vt.fault["upload_at"] = expire
        self.use(upload="unknown", retry={"attempts": 2, "initial": "1ms"})
        entry = self.judge(bytes(32_000_001))
        self.assertEqual((entry["outcome"], entry["attempts"]), ("clean", 2), entry)
        self.assertEqual(self.vt.count("GET", "files/upload_url"), 2)
        self.assertEqual(len(self.vt.uploads), 1)

    def test_content_goes_nowhere_else(self):
        """An upload URL of another host, a redirect: not one byte goes there."""
        other = VirusTotal().listen(self.server)
        elsewhere = {
            "upload_url": lambda *_: answer(200, {"data": other.root + "/_ah/upload/1"}),
            "upload_at": lambda *_: answer(307, b"", Location=other.root + "/_ah/upload/1"),
            "upload": lambda *_: answer(308, b"", Location=other.root + "/api/v3/files"),
            "file": lambda *_: answer(302, b"", Location=other.base + "/files/x"),
        }
        for route, size in (("upload_url", 32_000_001), ("upload_at", 32_000_001),
                            ("upload", 10), ("file", 10)):
            with self.subTest(route):
                self.vt.fault = {route: elsewhere[route]}
                self.expect_error(self.judge(bytes(size)), "protocol_error")
        self.assertEqual(other.listener.connections, 0)

    def test_an_analysis_that_takes_too_long(self):
        self.vt.may_complete = lambda: False
        self.use(upload="unknown", timeout="1s", poll_interval="200ms", retry={"attempts": 1})
        entry = self.judge()
        self.expect_error(entry, "timeout")
        self.assertEqual(entry["uploaded_to"], "127.0.0.1")
        self.assertLess(self.vt.count("GET", "analyses/"), 10)

    def test_the_interval_decides_when_to_look(self):
        """An hour from now nobody waits any more."""
        self.use(upload="unknown", timeout="1s", poll_interval="1h", retry={"attempts": 1})
        self.expect_error(self.judge(), "timeout")
        self.assertEqual(self.vt.count("GET", "analyses/"), 0)

    def test_analyses_wait_beside_each_other(self):
        """With one place for requests: the first verdict comes when the last content is there."""
        self.vt.may_complete = lambda: len(self.vt.analyses) == 5
        self.use(upload="unknown", concurrency=1, timeout="30s")
        names = [f"file{number}" for number in range(5)]
        for name in names:
            self.write(name, name.encode())
        result = self.scan("--jobs", "5", *names, status=0)
        self.assertEqual({r["outcome"] for r in result.reports}, {"clean"})

    def test_a_look_that_fails_is_not_the_analysis_that_fails(self):
        """What was uploaded is not uploaded again."""
        troubles = [lambda *_: problem(503, "TransientError"),
                    lambda *_: problem(429, "TooManyRequestsError", Retry_After=1),
                    lambda peer, _: peer.reset()]

        def stumble(peer, request):
            if troubles:
                return troubles.pop(0)(peer, request)
            self.vt.fault.clear()
            return self.vt._answer("analysis", (request.path.rsplit("/", 1)[1],), request)
        self.vt.fault["analysis"] = stumble
        self.assertEqual(self.judge()["outcome"], "clean")
        self.assertEqual(len(self.vt.uploads), 1)

    def test_interrupted(self):
        """One Ctrl-C ends a wait for an analysis and a request that hangs."""
        for route, reached in (("analysis", lambda: self.vt.count("GET", "analyses/")),
                               ("file", lambda: self.vt.count("GET", "files/"))):
            with self.subTest(route):
                arrived = threading.Event()

                def hang(peer, _request, arrived=arrived):
                    arrived.set()
                    peer.hang()
                self.vt.fault = {route: hang}
                self.write("sample", route.encode())
                process = self.start("scan", "--json", "sample")
                self.assertTrue(arrived.wait(30) and reached())
                process.send_signal(signal.SIGINT)
                begun = time.monotonic()
                self.assertEqual(self.finish(process).status, 130)
                self.assertLess(time.monotonic() - begun, 20)


class Quota(VirusTotalCase):
    def test_a_short_wait_is_waited_for(self):
        self.vt.quota, self.vt.retry_after = 0, 1
        self.vt.know(CLEAN)
        told = []

        def once(_peer, request):
            if not told:
                told.append(time.monotonic())
                return problem(429, "QuotaExceededError", Retry_After=1)
            self.vt.quota = None
            self.assertGreater(time.monotonic() - told[0], 0.9)
            return self.vt._answer("file", (request.path.rsplit("/", 1)[1],), request)
        self.vt.fault["file"] = once
        entry = self.judge()
        self.assertEqual((entry["outcome"], entry["attempts"]), ("clean", 2))

    def test_a_long_wait_is_told(self):
        self.vt.quota, self.vt.retry_after = 0, 3600
        entry = self.judge()
        self.expect_error(entry, "rate_limited")
        self.assertEqual(entry["error"]["retry_after_ms"], 3600000)
        self.assertEqual(len(self.vt.requests), 1)

    def test_a_burst_ends_in_no_loop(self):
        """Each content asks at most twice, and the breaker stays closed: it is not ill."""
        self.vt.quota, self.vt.retry_after = 0, 1
        names = [f"file{number}" for number in range(8)]
        for name in names:
            self.write(name, name.encode())
        result = self.scan("--jobs", "8", *names, status=2)
        self.assertEqual({r["error"]["kind"] for r in result.reports}, {"rate_limited"})
        self.assertLessEqual(len(self.vt.requests), 16)


class Keys(VirusTotalCase):
    def test_a_refused_key_is_tried_once(self):
        """The circuit is open until somebody acts."""
        self.key.write_text("not-the-right-key\n")
        self.write("a"), self.write("b", b"b"), self.write("c", b"c")
        result = self.scan("--jobs", "1", "a", "b", "c", status=2)
        kinds = sorted(r["error"]["kind"] for r in result.reports)
        self.assertEqual(kinds, ["authentication_failed", "circuit_open", "circuit_open"])
        for report in result.reports:  # also those that were turned away are told the cause
            self.assertIn("authentication_failed" if report["error"]["kind"] == "circuit_open"
                          else "key", report["error"]["message"])
        self.assertEqual(len(self.vt.requests), 1)
        state = next(r for r in self.verify_audit() if r["event"] == "engine_state")
        self.assertEqual((state["cause"], state["open_ms"]), ("authentication_failed", None))

    def test_forbidden_is_the_same(self):
        self.vt.fault["file"] = lambda *_: problem(403, "ForbiddenError", "no")
        self.expect_error(self.judge(), "authentication_failed")

    def test_key_files(self):
        for text, mode, words in (
                (b"", 0o600, "the key and nothing else"), (b"\n", 0o600, "the key and nothing"),
                (b"two words of a key\n", 0o600, "the key and nothing"),
                (b"k" * 15, 0o600, "the key and nothing"),
                (b"a" * 20 + b"\nb\n", 0o600, "the key and nothing"),
                (b"a" * 20 + b"\r\nX-Other: b", 0o600, "the key and nothing"),
                (b"a" * 20 + b"\0b", 0o600, "the key and nothing"), (b"k\xc3\xa4y" * 9, 0o600, "the key and"),
                (b"k" * 513, 0o600, "the key and nothing"), (b"k" * 9999, 0o600, "the key and"),
                (KEY.encode(), 0o640, "chmod 600"), (KEY.encode(), 0o604, "chmod 600")):
            with self.subTest(text=text[:20], mode=oct(mode)):
                self.key.write_bytes(text)
                self.key.chmod(mode)
                result = self.scan(self.write("sample"))
                self.assertEqual(result.status, 2, str(result))
                self.assertIn(words, result.errors)
                self.assertNotIn(KEY, result.errors)
        self.key.unlink()
        self.assertIn("No such file", self.scan("sample").errors)
        self.assertEqual(self.vt.requests, [])

    def test_from_a_descriptor(self):
        """A pipe, as `<(pass show vt)` gives."""
        self.vt.know(CLEAN)
        reader, writer = os.pipe()
        os.write(writer, KEY.encode() + b"\n")
        os.close(writer)
        self.use(api_key_file=f"/dev/fd/{reader}")
        entry = self.judge(CLEAN, pass_fds=[reader])
        os.close(reader)
        self.assertEqual(entry["outcome"], "clean")

    def test_the_shortest_and_the_longest_key(self):
        self.vt.know(CLEAN)
        for length in (16, 512):
            self.vt.key = "k" * length
            self.key.write_text(self.vt.key)
            self.assertEqual(self.judge()["outcome"], "clean")

    # --- and nowhere else ---
    def everything_written(self):
        return b"".join(path.read_bytes() for path in self.data.rglob("*") if path.is_file())

    def test_it_is_in_nothing_that_is_written(self):
        """With the most talkative log, over answers of all kinds; some of them repeat the key."""
        answers = [lambda *_: problem(400, "BadRequestError", "odd"),
                   lambda *_: problem(503, "TransientError"), lambda *_: answer(200, b"no JSON"),
                   lambda *_: answer(302, b"", Location="https://vt.example/" + "x"),
                   lambda peer, _: peer.reset(), lambda peer, _: peer.close(),
                   lambda *_: problem(503, KEY, f"Odd API key {KEY}, {KEY}"),
                   lambda *_: answer(200, f"{KEY}".encode()),
                   lambda *_: problem(401, "WrongCredentialsError", f"Wrong API key {KEY}")]
        for number, fault in enumerate(answers):
            self.vt.fault["file"] = fault
            self.write("sample", b"%d" % number)
            for words in (["scan", "--json"], ["scan", "--verbose"]):
                result = self.run_program("--log-level", "debug", *words, "sample")
                self.assertNotIn(KEY.encode(), result.out + result.err, str(result))
        for words in (["config", "show"], ["engines"], ["engines", "--check"], ["audit", "show"]):
            result = self.run_program(*words)
            self.assertNotIn(KEY.encode(), result.out + result.err, str(result))
        self.assertNotIn(KEY.encode(), self.everything_written())

    def hanging(self, *engines, **options):
        """The program, in the middle of a request."""
        arrived = threading.Event()

        def hang(peer, _request):
            arrived.set()
            peer.hang()
        self.vt.fault["file"] = hang
        self.configure(*json.loads(self.config.read_text())["engines"], *engines)
        process = self.start("scan", "--json", self.write("sample"), **options)
        self.assertTrue(arrived.wait(30))
        return process

    def test_it_is_in_no_command_line_and_no_environment(self):
        """Of the program and all its children."""
        process = self.hanging(*([yara()] if "yara" in engines_built() else []))
        pids, seen = [process.pid], 0
        for pid in pids:
            for task in pathlib.Path(f"/proc/{pid}/task").glob("*/children"):
                with contextlib.suppress(OSError):
                    pids += map(int, task.read_text().split())
            for name in ("cmdline", "environ"):
                with contextlib.suppress(OSError):
                    self.assertNotIn(KEY.encode(), pathlib.Path(f"/proc/{pid}/{name}").read_bytes())
                    seen += 1
        self.assertGreaterEqual(seen, 2)
        process.send_signal(signal.SIGINT)
        self.finish(process)

    @unittest.skipUnless(os.geteuid() == 0, "needs root")
    def test_the_program_leaves_no_core(self):
        """The kernel takes none of a process that isn't dumpable: /proc shows it as root's."""
        for path in (self.folder, self.key, self.config):
            os.chown(path, NOBODY, NOBODY)
        process = self.hanging(user=NOBODY, group=NOBODY, extra_groups=[])
        self.assertEqual(os.stat(f"/proc/{process.pid}/environ").st_uid, 0)
        process.send_signal(signal.SIGINT)
        self.finish(process)

    def test_a_host_programs_core_lacks_its_page(self):
        """Where the key stays, no core dump looks; when the manager ends, it is gone."""
        driver = Driver(self.config, self.folder)
        driver.open()
        hits = self._places_of_the_key(driver.process.pid)
        self.assertTrue(hits)
        for flags in hits:
            self.assertIn("dd", flags.split())
        driver.ask("close")
        self.assertEqual(self._places_of_the_key(driver.process.pid), [])
        self.assertIsNone(driver.end())

    @staticmethod
    def _places_of_the_key(pid):
        """The flags of every mapping that has it; but for those that a sanitizer reserves."""
        found, where, most = [], None, 1 << 30
        with open(f"/proc/{pid}/mem", "rb") as memory:
            for line in pathlib.Path(f"/proc/{pid}/smaps").read_text().splitlines():
                if "-" in line.split(" ")[0] and ":" not in line.split(" ")[0]:
                    where = [int(x, 16) for x in line.split(" ")[0].split("-")]
                elif line.startswith("VmFlags:"):
                    if where[1] - where[0] > most:
                        continue
                    with contextlib.suppress(OSError, ValueError, OverflowError):
                        memory.seek(where[0])
                        if KEY.encode() in memory.read(where[1] - where[0]):
                            found.append(line.removeprefix("VmFlags:"))
        return found


@unittest.skipUnless(shutil.which("openssl"), "no openssl")
class Certificates(VirusTotalCase):
    """TLS ends here and goes on to the VirusTotal of ours in plain."""

    def setUp(self):
        super().setUp()
        self.certificate, self.private = self.folder / "cert.pem", self.folder / "key.pem"
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                        "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj", "/CN=test",
                        "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", self.private,
                        "-out", self.certificate], check=True, capture_output=True)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.certificate, self.private)
        self.listening = socket.create_server(("127.0.0.1", 0))
        self.thread = threading.Thread(target=self._serve, args=(context,), daemon=True)
        self.thread.start()
        self.port = self.listening.getsockname()[1]
        self.addCleanup(self._close_door)
        self.vt.know(CLEAN)

    def _close_door(self):
        self.listening.shutdown(socket.SHUT_RDWR)
        self.listening.close()
        self.thread.join()

    def _serve(self, context):
        host, port = self.vt.listener.address.removeprefix("tcp:").split(":")
        while True:
            try:
                client, _ = self.listening.accept()
            except OSError:
                return
            with contextlib.suppress(OSError), context.wrap_socket(client, server_side=True) as tls, \
                    socket.create_connection((host, int(port))) as plain:
                while data := tls.recv(65536):
                    plain.sendall(data)
                    tls.sendall(plain.recv(65536))

    def use_tls(self, host="127.0.0.1", **settings):
        self.use(base_url=f"https://{host}:{self.port}/api/v3", retry={"attempts": 1}, **settings)

    def test_certificates_are_checked(self):
        for why, settings, wanted in (
                ("nobody vouches for it", {}, "connection_failed"),
                ("of another name", {"host": "localhost", "ca_file": str(self.certificate)},
                 "connection_failed"),
                ("it is the right one", {"ca_file": str(self.certificate)}, None)):
            with self.subTest(why):
                self.use_tls(**settings)
                entry = self.judge()
                if wanted:
                    self.expect_error(entry, wanted)
                    self.assertEqual(self.vt.requests, [])
                else:
                    self.assertEqual(entry["outcome"], "clean", entry)


if __name__ == "__main__":
    unittest.main()
