# SPDX-License-Identifier: MIT
"""Real files through a real clamd to a decided, audited verdict."""
import contextlib
import json
import subprocess
import unittest

from support import harness
from support.harness import CLEAN, INFECTED, clamav, needs, samples


class Verdicts(harness.ClamdCase):
    clamd_options = {"tcp": True}

    def test_infected_is_infected_and_clean_is_clean(self):
        self.write("in/eicar.com", INFECTED)
        self.write("in/letter.txt", CLEAN)
        result = self.scan("in", status=1)
        reports = result.by_name()
        self.assertEqual(len(reports), 2)
        self.assert_outcome(reports["eicar.com"], "infected", action="quarantine")
        self.assertEqual([t["name"] for t in reports["eicar.com"]["threats"]],
                         ["Eicar-Test-Signature.UNOFFICIAL"])
        self.assert_outcome(reports["letter.txt"], "clean", action="allow")
        self.assertEqual(reports["letter.txt"]["threats"], [])
        self.assertIsNone(reports["letter.txt"]["error"])
        engine = reports["letter.txt"]["engines"][0]
        self.assertEqual((engine["engine"], engine["coverage"]["state"],
                          engine["coverage"]["bytes"]), ("clamav", "complete", len(CLEAN)))

    def test_samples_come_out_as_they_should(self):
        expected = samples.write_folder(self.folder / "samples", opened=False)
        result = self.scan("samples", status=1)
        base = str(self.folder / "samples") + "/"
        got = {str(self.folder / r["file"]["path"]).removeprefix(base): r["outcome"]
               for r in result.reports}
        self.assertEqual(got, expected)

    def test_an_encrypted_archive_is_an_error_that_says_so(self):
        samples.write_folder(self.folder / "samples")
        result = self.scan("samples/in-containers/locked.zip", status=2)
        self.assert_outcome(result.report, "error", kind="encrypted", engine="clamav",
                            action="block")

    def test_mail_policy_has_encrypted_content_reviewed(self):
        samples.write_folder(self.folder / "samples")
        result = self.scan("--policy", "mail", "samples/in-containers/locked.zip", status=2)
        self.assert_outcome(result.report, "error", kind="encrypted",
                            action="require_manual_review")
        self.assertEqual(result.report["rule"]["id"], "encrypted")

    def test_rules_on_the_name(self):
        self.write("letter.TXT", CLEAN)
        self.write("letter", CLEAN)
        self.configure(clamav(self.server.address), policy={"preset": "default", "rules": [
            {"id": "text", "when": {"file_type": ["exe", "txt"]}, "then": "block"}]})
        reports = self.scan("letter.TXT", "letter", status=1).by_name()
        self.assert_outcome(reports["letter.TXT"], "clean", action="block")
        self.assert_outcome(reports["letter"], "clean", action="allow")

    @needs(samples.TESTFILES.is_dir(), "clamav-testfiles is not installed")
    def test_debians_test_files_are_all_found(self):
        result = self.scan(samples.TESTFILES, status=1)
        reports = result.by_name()
        names = {path.name for path in samples.TESTFILES.glob("clam*")}
        self.assertEqual(set(reports), names)
        for name in sorted(names):
            with self.subTest(name):
                self.assert_outcome(reports[name], "infected")

    def test_every_transport_says_the_same(self):
        self.write("in/eicar.com", INFECTED)
        self.write("in/letter.txt", CLEAN)
        for address in (self.server.address, self.server.tcp_address):
            with self.subTest(address):
                self.configure(clamav(address))
                outcomes = {name: r["outcome"]
                            for name, r in self.scan("in", status=1).by_name().items()}
                self.assertEqual(outcomes, {"eicar.com": "infected", "letter.txt": "clean"})

    def test_known_answers(self):
        result = self.run_program("engines", "--check")
        self.assertEqual(result.status, 0, str(result))
        self.assertIn("clamav", result.text)

    def test_records_are_there_when_the_verdict_is(self):
        self.write("eicar.com", INFECTED)
        report = self.scan("eicar.com", status=1).report
        records = self.verify_audit()
        events = [r["event"] for r in records if r.get("scan_id") == report["id"]]
        self.assertEqual(events[:1], ["scan_started"])
        self.assertIn("scan_completed", events)
        self.assertIn("policy_decision", events)
        self.assertIn(report["audit_seq"], [r["seq"] for r in records])

    def test_hashes_are_the_files(self):
        path = self.write("eicar.com", INFECTED)
        report = self.scan(path, status=1).report
        for tool, key in (("b3sum", "blake3"), ("sha256sum", "sha256")):
            digest = subprocess.run([tool, path], capture_output=True, text=True, check=True)
            self.assertEqual(report["file"][key], digest.stdout.split()[0])

    def test_an_optional_engine_that_fails_is_told_and_decides_nothing(self):
        self.write("letter.txt", CLEAN)
        self.configure(clamav(self.server.address),
                       clamav(f"unix:{self.folder}/nobody.sock", role="optional")
                       | {"name": "second"})
        report = self.scan("letter.txt", status=0).report
        self.assert_outcome(report, "clean", action="allow")
        second = next(e for e in report["engines"] if e["engine"] == "second")
        self.assertEqual(second["outcome"], "error")
        self.assertIn(second["error"]["kind"], ("connection_failed", "engine_unavailable"))

    def test_a_list_that_is_missing(self):
        """Required: nothing runs. Optional or shadow: out of service, and everybody says so."""
        self.write("letter.txt", CLEAN)
        lists = {"name": "lists", "type": "hashlist", "block": "missing.txt"}
        self.configure(clamav(self.server.address), lists | {"role": "required"})
        result = self.scan("letter.txt", status=2)
        self.assertRegex(result.errors, r"scanbridge\.yaml:\d+:\d+: engine lists: .*missing\.txt")
        self.assertEqual(result.text, "")
        for role in ("optional", "shadow"):
            with self.subTest(role):
                self.configure(clamav(self.server.address), lists | {"role": role})
                result = self.scan("letter.txt", status=0)
                self.assertRegex(result.errors, r"out of service: .*missing\.txt")
                self.assert_outcome(result.report, "clean", action="allow")
                engine = result.report["engines"][1]
                self.assertEqual((engine["engine"], engine["outcome"], engine["error"]["kind"]),
                                 ("lists", "error", "not_configured"))
                self.assertNotIn("abstained", engine)
                state = self.run_program("engines", "--json").reports[1]
                self.assertEqual((state["name"], state["reachable"], state["error"]["kind"]),
                                 ("lists", False, "not_configured"))

    def test_a_list_blocks_what_clamd_lets_pass(self):
        path = self.write("letter.txt", CLEAN)
        digest = subprocess.run(["b3sum", path], capture_output=True, text=True, check=True)
        self.write("bad-hashes.txt", digest.stdout.split()[0].encode() + b"  letter.txt\n")
        self.configure(clamav(self.server.address),
                       {"name": "list", "type": "hashlist", "block": "bad-hashes.txt"})
        self.assert_outcome(self.scan("letter.txt", status=1).report, "infected")

    def test_presets(self):
        self.write("eicar.com", INFECTED)
        self.write("letter.txt", CLEAN)
        for preset, infected, status in (("default", "quarantine", 1), ("strict", "quarantine", 1),
                                         ("mail", "quarantine", 1),
                                         ("monitor", "allow_with_warning", 0)):
            with self.subTest(preset):
                result = self.scan("--policy", preset, "eicar.com", "letter.txt", status=status)
                reports = result.by_name()
                self.assertEqual(reports["eicar.com"]["action"], infected)
                self.assertEqual(reports["letter.txt"]["action"], "allow")

    def test_clean_lines_are_not_printed_and_others_are(self):
        self.write("in/eicar.com", INFECTED)
        self.write("in/letter.txt", CLEAN)
        result = self.run_program("scan", "in")
        self.assertEqual(result.status, 1, str(result))
        lines = result.text.splitlines()
        self.assertEqual(len(lines), 1, str(result))
        self.assertRegex(lines[0], r"eicar\.com: infected Eicar-Test-Signature.UNOFFICIAL "
                                   r"\[clamav\] -> quarantine")
        self.assertTrue(result.errors, "the summary is missing")


class Limits(harness.Case):
    """What clamd silently lets pass is refused, or comes back as its own alert."""

    def test_above_clamds_limit_is_never_clean(self):
        self.write("big", b"\0" * (2 << 20))
        with self.clamd(MaxFileSize="1M", StreamMaxLength="1M", tcp=True) as server:
            for address in (server.address, server.tcp_address):
                with self.subTest(address):
                    self.configure(clamav(address, max_size="25MiB"))
                    report = self.scan("big").report
                    self.assert_outcome(report, "error", action="block", engine="clamav")
                    self.assertIn(report["error"]["kind"],
                                  ("limit_exceeded", "file_too_large", "connection_failed"))

    def test_above_our_limit_for_the_engine(self):
        with self.clamd() as server:
            self.configure(clamav(server.address, max_size="1KiB"))
            for size, outcome in ((1023, "clean"), (1024, "clean"), (1025, "error"),
                                  (102400, "error")):
                with self.subTest(size):
                    self.write("file", b"x" * size)
                    report = self.scan("file").report
                    self.assert_outcome(report, outcome)
                    if outcome == "error":
                        self.assert_outcome(report, "error", kind="file_too_large",
                                            engine="clamav")

    def test_a_clamd_that_hides_its_limits_is_found_out(self):
        with self.clamd(AlertExceedsMax="no", AlertEncrypted="no") as server:
            self.configure(clamav(server.address))
            result = self.run_program("engines", "--check")
            told = result.text + result.errors
            self.assertIn("AlertExceedsMax", told)
            self.assertIn("AlertEncrypted", told)

    def checked(self, **options):
        """What is told of such a clamd, and whether it is believed to look into containers."""
        self.write("letter.txt", CLEAN)
        with self.clamd(**options) as server:
            self.configure(clamav(server.address))
            check = json.loads(self.run_program("engines", "--check", "--json").out)["check"]
            content = self.scan("letter.txt").report["engines"][0]["coverage"]["content"]
        return check, content

    def test_a_clamd_that_hides_nothing_is_believed(self):
        check, content = self.checked()
        self.assertEqual((check["remedy"], content), (None, "inspected"))

    def test_a_clamd_that_cuts_members_without_a_word_is_found_out(self):
        check, content = self.checked(MaxFileSize="30M", MaxScanSize="60M")
        self.assertFalse(check["attested_limits"])
        self.assertTrue(check["attested_encrypted"] and check["attested_mail"])
        self.assertRegex(check["remedy"], "^set MaxScanSize in clamd.conf to the value of MaxFileSize")
        self.assertEqual(content, "unknown")

    def test_a_clamd_that_leaves_mail_alone_is_found_out(self):
        check, content = self.checked(ScanMail="no")
        self.assertFalse(check["attested_mail"])
        self.assertIn("ScanMail", check["remedy"])
        self.assertEqual(content, "unknown")

    def test_a_clamd_that_has_no_room_for_mail_is_found_out(self):
        place = self.folder / "small"
        place.mkdir()
        if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m,mode=777", "none", place],
                          capture_output=True).returncode != 0:
            self.skipTest("no file system of a MiB can be mounted here")
        self.addCleanup(subprocess.run, ["umount", "-l", str(place)])
        with contextlib.suppress(OSError), open(place / "full", "wb", buffering=0) as full:
            while full.write(bytes(4096)):
                pass
        check, content = self.checked(TemporaryDirectory=str(place))
        self.assertFalse(check["attested_mail"])
        self.assertIn("TemporaryDirectory", check["remedy"])
        self.assertEqual(content, "unknown")


class Outages(harness.ClamdCase):
    """clamd in every state but a good one: never clean, always a named error, and in time."""

    def setUp(self):
        super().setUp()
        self.write("letter.txt", CLEAN)
        self.write("eicar.com", INFECTED)

    def scan_both(self, server, **settings):
        self.configure(clamav(server.address, timeout="3s",
                              retry={"attempts": 1}, **settings))
        result = self.scan("letter.txt", "eicar.com")
        self.assertEqual(len(result.reports), 2, str(result))
        for report in result.reports:
            self.assertLessEqual(report["duration_ms"], 3250, report)
        return result

    def assert_errors(self, result, *kinds):
        self.assertEqual(result.status, 2, str(result))
        for report in result.reports:
            self.assert_outcome(report, "error", action="block", engine="clamav")
            self.assertIn(report["error"]["kind"], kinds, report)
        self.verify_audit()

    def test_stopped(self):
        with self.clamd() as server:
            server.freeze()
            self.assert_errors(self.scan_both(server), "timeout")

    def test_killed(self):
        with self.clamd() as server:
            server.kill()
            self.assert_errors(self.scan_both(server), "connection_failed", "engine_unavailable")

    def test_never_there(self):
        with self.clamd() as server:
            server.address = f"unix:{server.folder}/elsewhere.sock"
            self.assert_errors(self.scan_both(server), "connection_failed", "engine_unavailable")

    def test_killed_while_it_scans(self):
        with self.clamd() as server:
            self.configure(clamav(server.address, timeout="20s", retry={"attempts": 1}))
            server.freeze()
            process = self.start("scan", "--json", "letter.txt")
            self.wait_for_connection(server)
            server.kill()
            result = self.finish(process)
            self.assert_errors(result, "connection_failed", "engine_unavailable")

    def wait_for_connection(self, server):
        """Until somebody is queued at the frozen server's socket: connecting fails when we fill
        the rest of its backlog, but /proc/net/unix lists every connection at once."""
        name = str(server.socket).encode()
        while harness.unix_connections(name) < 2:  # the listener itself is one
            pass

    def test_reloading(self):
        with self.clamd() as server:
            for _ in range(3):
                server.ask(b"zRELOAD\0")
                reports = self.scan_both(server).by_name()
                self.assertIn(reports["eicar.com"]["outcome"], ("infected", "error"))
                self.assertIn(reports["letter.txt"]["outcome"], ("clean", "error"))

    def test_back_again(self):
        with self.clamd() as server:
            server.kill()
            self.scan_both(server)
            server.start()
            reports = self.scan_both(server).by_name()
            self.assert_outcome(reports["letter.txt"], "clean")
            self.assert_outcome(reports["eicar.com"], "infected")


if __name__ == "__main__":
    unittest.main()
