# SPDX-License-Identifier: MIT
"""The engine icap with a real c-icap, its virus_scan module and a real clamd behind it; plain, over
TLS, and where it is set up in ways that call clean what nobody looked at. What no real server does
on demand (a changed ISTag) is done by a scripted one."""
import pathlib
import signal
import socket
import ssl
import sys
import threading
import unittest

from support import harness
from support.harness import CLEAN, INFECTED, clamav, needs, samples
from support.icap import INSTALLED, PrivateIcap, make_certificate

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from faults.icap import Fault, Icap  # noqa: E402
from faults.server import Server  # noqa: E402

FOUND = "Eicar-Test-Signature.UNOFFICIAL"


def icap(*urls, **settings):
    return {"name": "av", "type": "icap", "url": list(urls)} | settings


@needs(INSTALLED, "c-icap, its virus_scan module or openssl is not installed")
class IcapCase(harness.Case):
    options = {}

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.clamd_server = harness.PrivateClamd()
        cls.addClassCleanup(cls.clamd_server.close)
        cls.server = PrivateIcap(cls.clamd_server, **cls.options)
        cls.addClassCleanup(cls.server.close)

    def setUp(self):
        super().setUp()
        self.configure(icap(self.server.url()))

    def outcomes(self, *words, status):
        """By name: outcome and first threat, or kind."""
        got = {}
        for name, report in self.scan(*words, status=status).by_name().items():
            what = [threat["name"] for threat in report["threats"][:1]] \
                or [report["error"] and report["error"]["kind"]]
            got[name] = (report["outcome"], what[0])
        return got


class Verdicts(IcapCase):
    def test_infected_is_infected_and_clean_is_clean(self):
        for size in (0, 1, 4096, 65536, 65537, 3 << 20):
            self.write(f"in/clean-{size}", b"0123456\n" * (size // 8) + b"x" * (size % 8))
            self.write(f"in/bad-{size}.com", INFECTED + b"\n" * min(size, 60))
        for method in ("respmod", "reqmod"):
            self.configure(icap(self.server.url(), method=method))
            for name, got in self.outcomes("in", status=1).items():
                with self.subTest(method=method, name=name):
                    self.assertEqual(got, ("clean", None) if name.startswith("clean")
                                     else ("infected", FOUND))
            self.assertIn(method.upper(), {method for method, *_ in self.server.requests()})

    def test_the_same_as_clamd_itself(self):
        """Also what clamd could not look at comes through c-icap as an error."""
        samples.write_folder(self.folder / "samples", opened=False)
        self.write("samples/empty", b"")
        through = self.outcomes("samples", "--no-cache", status=1)
        self.configure(clamav(self.clamd_server.address))
        self.assertEqual(through, self.outcomes("samples", "--no-cache", status=1))
        self.assertIn(("error", "encrypted"), through.values())

    def test_what_a_report_tells(self):
        self.write("a.txt", CLEAN)
        entry = self.scan("a.txt", status=0).report["engines"][0]
        self.assertEqual((entry["type"], entry["assurance"]), ("icap", "antivirus"))
        self.assertEqual(entry["coverage"]["state"], "complete")
        self.assertEqual(entry["coverage"]["content"], "unknown")  # no check has attested it
        self.assertRegex(entry["engine_version"], r"^C-ICAP/0\.\d")
        self.assertRegex(entry["signature_version"], r"^CI0001-")

    def test_known_answers(self):
        result = self.run_program("engines", "--check")
        self.assertEqual(result.status, 0, str(result))
        self.assertIn("ok, checked", result.text)
        self.write("a.txt", CLEAN)
        entry = self.scan("a.txt", status=0).report["engines"][0]
        self.assertEqual(entry["coverage"]["content"], "inspected")

    def test_odd_names_reach_the_server_as_data(self):
        self.write(b"in/a b\r\nX-Evil: 1\xff?#%.com", INFECTED)
        self.write("in/" + "n" * 250, INFECTED)
        self.assertEqual({got for got in self.outcomes("in", status=1).values()},
                         {("infected", FOUND)})

    def test_a_preview_for_a_verdict(self):
        self.configure(icap(self.server.url(), preview_is_verdict=True))
        self.write("in/short.com", INFECTED)
        self.write("in/long.com", INFECTED + b"\n" * 60)
        self.write("in/late", b"text and more text\n" * 1000 + INFECTED)
        self.write("in/clean", CLEAN * 1000)
        got = self.outcomes("in", status=1)
        self.assertEqual(got["short.com"], ("infected", FOUND))
        self.assertEqual(got["long.com"], ("infected", FOUND))
        self.assertEqual(got["clean"][0], "clean")

    def test_services_that_are_not_there(self):
        self.write("a.txt", CLEAN)
        self.configure(icap(self.server.url("nothing")))
        self.assert_outcome(self.scan("a.txt", status=2).report, "error", kind="not_configured",
                            engine="av", action="block")
        self.configure(icap(f"icap://127.0.0.1:{harness.free_port()}/avscan", retry={"attempts": 1}))
        self.assert_outcome(self.scan("a.txt", status=2).report, "error",
                            kind="connection_failed", engine="av")

    def test_the_second_place_when_the_first_is_gone(self):
        self.write("bad.com", INFECTED)
        self.write("a.txt", CLEAN)
        self.configure(icap(f"icap://127.0.0.1:{harness.free_port()}/avscan", self.server.url()))
        self.assertEqual(self.outcomes("bad.com", "a.txt", status=1),
                         {"bad.com": ("infected", FOUND), "a.txt": ("clean", None)})

    def test_clamd_behind_it_is_gone(self):
        """c-icap's PassOnError is off: it says 500."""
        self.write("a.txt", CLEAN + b"not asked before\n")
        self.configure(icap(self.server.url(), timeout="5s", retry={"attempts": 1}))
        self.clamd_server.kill()
        self.addCleanup(self.clamd_server.start)
        report = self.scan("a.txt", "--no-cache", status=2).report
        self.assert_outcome(report, "error", kind="engine_unavailable", engine="av",
                            action="block")

    def test_a_server_that_stands_still(self):
        children = harness.descendants(self.server.process.pid)
        for pid in children:
            self.addCleanup(signal_quietly, pid, signal.SIGCONT)
            signal_quietly(pid, signal.SIGSTOP)
        self.write("a.txt", CLEAN)
        self.configure(icap(self.server.url(), timeout="500ms", retry={"attempts": 1}))
        self.assert_outcome(self.scan("a.txt", status=2).report, "error", kind="timeout",
                            engine="av", action="block")


def signal_quietly(pid, number):
    try:
        pathlib.os.kill(pid, number)
    except ProcessLookupError:
        pass


class Echo(IcapCase):
    """A server that sends everything back instead of 204."""

    options = {"virus_scan__Allow204Responces": "off"}

    def test_what_comes_back_unchanged_is_clean(self):
        for size in (1, 4096, 65537, 3 << 20):
            self.write(f"in/clean-{size}", b"0123456\n" * (size // 8) + b"x" * (size % 8))
        self.write("in/bad.com", INFECTED)
        for method in ("respmod", "reqmod"):
            self.configure(icap(self.server.url("virus_scan"), method=method))
            for name, got in self.outcomes("in", "--no-cache", status=1).items():
                with self.subTest(method=method, name=name):
                    self.assertEqual(got[0], "clean" if "clean" in name else "infected")
        self.assertEqual({status for method, _, status in self.server.requests()
                          if method != "OPTIONS"}, {"200"})


class Limits(IcapCase):
    """c-icap's own limit passes on what is larger, as if it were clean."""

    options = {"virus_scan__MaxObjectSize": "100K"}

    def test_the_check_tells(self):
        self.configure(icap(self.server.url("virus_scan"), max_size="1MiB"))
        result = self.run_program("engines", "--check")
        self.assertIn("virus_scan.MaxObjectSize", result.text + result.errors)

    def test_beyond_max_size_nothing_is_asked(self):
        self.configure(icap(self.server.url("virus_scan"), max_size="100KiB"))
        self.write("large.com", INFECTED + b" " * 200000)
        self.assert_outcome(self.scan("large.com", status=2).report, "error",
                            kind="file_too_large")

    def test_max_size_has_a_default(self):
        self.configure(icap(self.server.url()))
        self.assertRegex(self.run_program("config", "show").text, r"max_size: *25MiB")


class Tls(IcapCase):
    options = {"tls": True}

    def scan_with(self, host="localhost", port=None, **settings):
        self.configure(icap(f"icaps://{host}:{port or self.server.tls_port}/avscan",
                            retry={"attempts": 1}, timeout="5s", **settings))
        return self.scan("bad.com", "a.txt").by_name()

    def setUp(self):
        super().setUp()
        self.write("bad.com", INFECTED)
        self.write("a.txt", CLEAN * 20000)

    def assert_works(self, reports):
        self.assertEqual({name: report["outcome"] for name, report in reports.items()},
                         {"bad.com": "infected", "a.txt": "clean"})

    def assert_refused(self, reports, kind, words=""):
        """The first one opens the circuit; whoever comes later is told what the first one was."""
        kinds = [report["error"]["kind"] for report in reports.values()]
        self.assertIn(kind, kinds)
        self.assertLessEqual(set(kinds), {kind, "circuit_open"})
        for report in reports.values():
            self.assert_outcome(report, "error", engine="av", action="block")
            self.assertIn(kind if report["error"]["kind"] != kind else "",
                          report["error"]["message"])
            self.assertIn(words, report["error"]["message"])

    def test_a_certificate_that_is_trusted(self):
        self.assert_works(self.scan_with(ca=str(self.server.ca)))

    def test_one_that_nobody_vouches_for(self):
        self.assert_refused(self.scan_with(), "authentication_failed", "not trusted")
        other, _ = make_certificate(self.folder, "localhost", name="other")
        self.assert_refused(self.scan_with(ca=str(other)), "authentication_failed")

    def test_one_for_another_host(self):
        self.assert_refused(self.scan_with("127.0.0.1", ca=str(self.server.ca)),
                            "authentication_failed", "mismatch")

    def test_without_looking_at_it(self):
        self.assert_works(self.scan_with("127.0.0.1", verify=False))

    def test_a_server_without_tls(self):
        reports = self.scan_with(port=self.server.port, ca=str(self.server.ca))
        for report in reports.values():
            self.assertIn(report["error"]["kind"],
                          ("protocol_error", "connection_failed", "timeout"))

    def test_a_file_that_holds_no_certificate(self):
        self.configure(icap("icaps://localhost:1/x", ca=str(self.folder / "a.txt")))
        result = self.run_program("scan", "a.txt")
        self.assertEqual(result.status, 2, str(result))
        self.assertIn("a.txt", result.errors)

    def test_a_handshake_that_never_ends(self):
        with socket.create_server(("127.0.0.1", 0)) as silent:
            self.configure(icap(f"icaps://localhost:{silent.getsockname()[1]}/x", timeout="300ms",
                                retry={"attempts": 1}))
            self.assert_outcome(self.scan("a.txt", status=2).report, "error", kind="timeout")


class TlsCut(harness.Case):
    """A peer that ends TLS in the middle of an answer: whatever came before is not the whole."""

    @needs(INSTALLED, "openssl is not installed")
    def test_half_an_answer(self):
        certificate, key = make_certificate(self.folder, "localhost")
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        self.write("a.txt", CLEAN)
        with socket.create_server(("127.0.0.1", 0)) as listener:
            def serve():
                with socket.socket(fileno=listener.accept()[0].detach()) as plain, \
                        context.wrap_socket(plain, server_side=True) as peer:
                    peer.recv(65536)
                    peer.sendall(Icap().options())
                    peer.recv(65536)
                    peer.sendall(b"ICAP/1.0 204 No Content\r\n")
            thread = threading.Thread(target=serve, daemon=True)
            thread.start()
            self.configure(icap(f"icaps://localhost:{listener.getsockname()[1]}/x", ca=str(
                certificate), retry={"attempts": 1}))
            report = self.scan("a.txt", status=2).report
            thread.join(harness.PATIENCE)
        self.assert_outcome(report, "error", kind="protocol_error", engine="av")
        self.assertIn("cut short", report["error"]["message"])


class Signatures(harness.Case):
    """The ISTag stands for signatures: what was remembered under another one is asked again."""

    def setUp(self):
        super().setUp()
        self.server = Server()
        self.addCleanup(self.server.stop)
        self.tag = tag = [b'"one"']

        class Tagged(Fault):
            def options(self, peer, answer):
                peer.send(answer.replace(b'"fake-1"', tag[0]))

            def reply(self, peer, request):
                peer.send(request.answer().replace(b'"fake-1"', tag[0]))
        self.listener = self.server.listen_tcp(Icap(Tagged()))
        self.configure(icap(self.listener.address.replace("tcp:", "icap://") + "/scan"))
        self.write("a.txt", CLEAN)

    def asked(self):
        return self.listener.requests().count(b"RESPMOD")

    def test_remembered_until_it_changes(self):
        self.assertFalse(self.scan("a.txt", status=0).report["cached"])
        self.assertTrue(self.scan("a.txt", status=0).report["cached"])
        self.assertEqual(self.asked(), 1)
        self.tag[0] = b'"two"'
        report = self.scan("a.txt", status=0).report
        self.assertFalse(report["cached"])
        self.assertEqual(report["engines"][0]["signature_version"], "two")
        self.assertEqual(self.asked(), 2)

    def test_under_its_name_only(self):
        """The server is told the name, and may judge by it."""
        self.scan("a.txt", status=0)
        self.write("a.exe", CLEAN)
        self.assertFalse(self.scan("a.exe", status=0).report["cached"])


if __name__ == "__main__":
    unittest.main()
