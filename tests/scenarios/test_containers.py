# SPDX-License-Identifier: MIT
"""The engine yara alone, no daemon beside it: containers are opened, within limits, and rules
judge every member."""
import json
import pathlib
import random
import shutil
import subprocess
import sys
import time
import unittest
import zipfile
import zlib

from support import harness
from support.harness import CLEAN, INFECTED, TreeMemory, mock, needs, samples, yara

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "evasive"))

from compound import compound, vba_project, vba_streams  # noqa: E402
from writers import (NAME, SECRET, Member, gz, seven, simple_zip, wrap, zip_crypto,  # noqa: E402
                     zipped)

EICAR_RULE = "EICAR"  # a part of the bundled rule's name, any case
MEMORY = 256 << 10    # KiB, of all processes together
LATE = 10             # seconds; a bomb takes one or two
MACRO = b"Attribute VB_Name = \"Module1\"\r\nSub AutoOpen()\r\nMsgBox 1\r\nEnd Sub\r\n"


def locked_zip(payload, password=SECRET):
    return zipped(Member(NAME, payload, flags=1, packed=zip_crypto(password, payload)))


def zeros_gzip(gigabytes):
    """One gzip member of so many GiB: the same flushed piece again and again."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    packer.compress(b"")
    piece = packer.compress(bytes(64 << 20)) + packer.flush(zlib.Z_FULL_FLUSH)
    return gz(b"", packed=piece * (16 * gigabytes) + b"\3\0", size=0)


def word(*members):
    return zipped(Member(b"[Content_Types].xml", b"<Types/>"),
                  Member(b"word/document.xml", b"<w:document/>"), *members)


class Opened(harness.YaraCase):
    """What is inside is found, and where is said."""

    def one(self, data, *options, name="file.bin", status=None):
        self.write(name, data)
        return self.scan(*options, name, status=status).report

    def assert_member(self, report, pattern):
        self.assert_outcome(report, "infected", action="quarantine")
        threat = report["threats"][0]
        self.assertIn(EICAR_RULE, threat["name"].upper())
        if pattern is None:
            self.assertIsNone(threat["member"])
        else:
            self.assertRegex(threat["member"], pattern)

    def test_a_locked_zip_that_was_written_to_a_pipe(self):
        """With records of both sizes at its end, whose numbers are the same."""
        path = self.folder / "piped.zip"
        samples.locked_zip(path, "secret.txt", INFECTED)
        self.assert_outcome(self.scan("piped.zip", status=2).report, "error", kind="encrypted")
        report = self.scan("--archive-password", "secret", "piped.zip", status=1).report
        self.assert_outcome(report, "infected")
        path.unlink()
        samples.locked_zip(path, "secret.txt", CLEAN)
        report = self.scan("--archive-password", "secret", "piped.zip", status=0).report
        self.assert_outcome(report, "clean")

    def test_nothing_passes_behind_an_ignored_detection(self):
        """The signature alone may pass; not with a locked part, nor with more than are told."""
        ignore = {"engine": "yara", "threat": "EICAR_Test_File", "until": "2099-01-01",
                  "reason": "test"}
        self.configure(yara(), decision={"ignore": [ignore]})
        self.write("e.com", INFECTED)
        self.assert_outcome(self.scan("e.com", status=0).report, "clean")
        samples.locked_zip(self.folder / "mixed.zip", "secret.txt", CLEAN)
        with zipfile.ZipFile(self.folder / "mixed.zip", "a") as archive:
            archive.writestr("e.com", INFECTED)
        with zipfile.ZipFile(self.folder / "many.zip", "w") as archive:
            for number in range(70):
                archive.writestr(f"{number}.com", INFECTED)
        for name in ("mixed.zip", "many.zip"):
            with self.subTest(name):
                self.assert_outcome(self.scan(name, status=2).report, "error", action="block")

    def test_where_the_payload_is(self):
        mail = samples.mailed("eicar.com", INFECTED)
        for name, data, member in (
                ("plain", INFECTED, None), ("zip", simple_zip(NAME, INFECTED), r"^eicar\.com$"),
                ("zip in zip", wrap(["zip", "zip"], INFECTED), r"^inner\.zip/eicar\.com$"),
                ("zip in gzip in tar", samples.nested("eicar.com", INFECTED),
                 r"^inner\.zip\.gz/.*eicar\.com$"),
                ("tar.gz", samples.tarred("eicar.com", INFECTED), r"eicar\.com$"),
                ("mail", mail, r"eicar\.com$"),
                ("mail in zip", simple_zip(b"a.eml", mail), r"^a\.eml/.*eicar\.com$"),
                ("7z", samples.seven_zipped("eicar.com", INFECTED), r"^eicar\.com$"),
                ("ole", compound({"A/Data": INFECTED}), r"Data$")):
            with self.subTest(name):
                self.assert_member(self.one(data, status=1), member)

    def test_a_member_is_said_without_harm(self):
        """Names inside are data of strangers."""
        evil = b"\x1b[31m\n../\xff\x00.com"
        report = self.one(zipped(Member(evil, INFECTED)), status=1)
        self.assert_outcome(report, "infected")
        result = self.run_program("scan", "file.bin")
        self.assertNotIn(b"\x1b", result.out + result.err)
        self.assertEqual(len(result.text.splitlines()), 1, str(result))

    def test_what_was_opened_is_reported(self):
        report = self.one(wrap(["zip", "zip"], CLEAN, b"letter.txt"), status=0)
        self.assert_outcome(report, "clean")
        container = report["container"]
        self.assertEqual((container["type"], container["depth"], container["members"]),
                         ("zip", 2, 2))
        self.assertGreaterEqual(container["bytes"], len(CLEAN))
        engine = report["engines"][0]
        self.assertEqual((engine["type"], engine["assurance"]), ("yara", "rules"))
        self.assertEqual(engine["coverage"]["state"], "complete")
        self.assertEqual(engine["coverage"]["content"], "inspected")
        self.assertTrue(engine["engine_version"])
        self.assertTrue(engine["signature_version"])

    def test_what_is_no_container_says_so(self):
        report = self.one(CLEAN, status=0)
        self.assertNotIn("container", report)
        self.assertEqual(report["engines"][0]["coverage"]["content"], "inspected")

    def test_samples_come_out_as_they_should(self):
        expected = samples.write_folder(self.folder / "samples")
        base = str(self.folder / "samples") + "/"
        got = {str(self.folder / r["file"]["path"]).removeprefix(base): r["outcome"]
               for r in self.scan("samples", status=1).reports}
        self.assertEqual(got, expected)

    def test_truncated_is_corrupt(self):
        for name, data in (("zip", samples.truncated_zip()), ("gzip", gz(CLEAN * 50)[:-20]),
                           ("7z", samples.seven_zipped("a", CLEAN)[:-10])):
            with self.subTest(name):
                report = self.one(data, status=2)
                self.assert_outcome(report, "error", kind="corrupt", engine="yara",
                                    action="block")
                self.assertTrue(report["container"]["corrupt"])

    def test_no_network_is_needed(self):
        self.write("in/eicar.zip", simple_zip(NAME, INFECTED))
        log = self.folder / "strace"
        line = ["strace", "-f", "-qq", "-e", "trace=socket,connect", "-o", str(log),
                str(harness.SCANBRIDGE), "--config", str(self.config), "scan", "--json", "in"]
        done = subprocess.run(line, capture_output=True, env=self.environment(),
                                      cwd=self.folder, timeout=harness.PATIENCE)
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assertNotIn("AF_INET", log.read_text())


class Locked(harness.YaraCase):
    def setUp(self):
        super().setUp()
        self.write("locked.zip", locked_zip(INFECTED))
        self.write("harmless.zip", locked_zip(CLEAN))

    def test_without_the_password_it_is_an_error(self):
        for name in ("locked.zip", "harmless.zip"):
            report = self.scan(name, status=2).report
            self.assert_outcome(report, "error", kind="encrypted", engine="yara", action="block")
            self.assertTrue(report["container"]["encrypted"])

    def test_with_the_password_it_is_opened(self):
        options = ("--archive-password", "another", "--archive-password", SECRET)
        self.assert_outcome(self.scan(*options, "locked.zip", status=1).report, "infected")
        report = self.scan(*options, "harmless.zip", status=0).report
        self.assert_outcome(report, "clean")
        self.assertEqual(report["engines"][0]["coverage"]["content"], "inspected")

    def test_a_wrong_password_opens_nothing(self):
        report = self.scan("--archive-password", "wrong", "locked.zip", status=2).report
        self.assert_outcome(report, "error", kind="encrypted")

    def test_passwords_of_the_configuration(self):
        self.configure(yara(), containers={"passwords": [SECRET]})
        self.assert_outcome(self.scan("locked.zip", status=1).report, "infected")
        shown = self.run_program("config", "show")
        self.assertNotIn(SECRET, shown.text + shown.errors)

    @needs(shutil.which("7z"), "p7zip-full is not installed")
    def test_aes(self):
        self.write("aes.zip", seven(((NAME, INFECTED),), "zip", f"-p{SECRET}", "-mem=AES256"))
        self.assert_outcome(self.scan("aes.zip", status=2).report, "error", kind="encrypted")
        self.assert_outcome(self.scan("--archive-password", SECRET, "aes.zip", status=1).report,
                            "infected")

    @needs(shutil.which("7z"), "p7zip-full is not installed")
    def test_locked_names(self):
        self.write("names.7z", seven(((NAME, INFECTED),), "7z", f"-p{SECRET}", "-mhe=on"))
        self.assert_outcome(self.scan("names.7z", status=2).report, "error", kind="encrypted")

    def test_passwords_are_in_no_record(self):
        password = "Correct-Horse-Battery"
        self.write("mine.zip", locked_zip(INFECTED, password))
        for options in (("--archive-password", password), ("--archive-password", password + "-x")):
            result = self.scan(*options, "mine.zip")
            self.assertNotIn(password, result.text + result.errors)
        self.verify_audit()
        for path in self.data.rglob("*"):
            if path.is_file():
                self.assertNotIn(password.encode(), path.read_bytes(), path)


class Limits(harness.YaraCase):
    """Small files that are large inside."""

    def assert_stopped(self, data, what, **limits):
        self.configure(yara(), containers=limits)
        self.write("bomb", data)
        begun = time.monotonic()
        process = self.start("scan", "--json", "bomb")
        memory = TreeMemory(process)
        result = self.finish(process)
        seconds, peak = time.monotonic() - begun, memory.result()
        print(f"\n{what}: {len(data)} bytes, {seconds:.2f} s, {peak >> 10} MiB")
        self.assert_outcome(result.report, "error", kind="limit_exceeded", engine="yara",
                            action="block")
        self.assertEqual(result.status, 2, str(result))
        self.assertTrue(result.report["container"]["limit"])
        self.assertLess(seconds, LATE)
        self.assertGreater(peak, 0)
        self.assertLess(peak, MEMORY)

    def test_zips_of_zips_of_zeros(self):
        self.assert_stopped(samples.bomb(), "zips of zips")

    def test_much_at_a_harmless_ratio(self):
        """Sixty to one is nothing special; it is the sum that is too much."""
        noise = random.Random(1).randbytes(16 << 10) * 64
        inner = zipped(*(Member(b"%d" % n, noise) for n in range(16)))
        whole = zipped(*(Member(b"%d.zip" % n, inner, method=0) for n in range(16)))
        self.assertGreater(len(whole) * 100, 256 << 20)
        self.assert_stopped(whole, "256 MiB, 128 of them allowed", max_size="128MiB")

    def test_ten_gigabytes_of_zeros(self):
        self.assert_stopped(zeros_gzip(10), "gzip of 10 GiB")

    def test_many_members(self):
        members = [Member(b"%d" % n, b"", method=0) for n in range(20000)]
        self.assert_stopped(zipped(*members), "20 000 members")

    def test_without_end(self):
        """A container that holds itself would be this, level after level."""
        self.assert_stopped(wrap(["zip"] * 40, INFECTED), "40 levels")

    def test_the_payload_is_found_before_the_limit(self):
        """What was seen counts, whatever ends the look."""
        self.write("both.zip", zipped(Member(NAME, INFECTED), Member(b"b.zip", samples.bomb())))
        self.assert_outcome(self.scan("both.zip", status=1).report, "infected")

    def test_the_depth_is_the_configurations(self):
        self.configure(yara(), containers={"max_depth": 3})
        for depth, outcome in ((1, "infected"), (3, "infected"), (4, "error")):
            with self.subTest(depth):
                self.write("deep.zip", wrap(["zip"] * depth, INFECTED))
                report = self.scan("deep.zip").report
                self.assert_outcome(report, outcome)
                if outcome == "error":
                    self.assert_outcome(report, "error", kind="limit_exceeded")

    def test_a_large_file_of_nothing_special(self):
        """Limits are for what grows, not for what is large."""
        self.write("large", bytes(64 << 20))
        process = self.start("scan", "--json", "large")
        memory = TreeMemory(process)
        result = self.finish(process)
        print(f"\n64 MiB of zeros: {memory.result() >> 10} MiB")
        self.assert_outcome(result.report, "clean")
        self.assertLess(memory.result(), MEMORY)


class Policies(harness.YaraCase):
    """Rules about how content is built."""

    def with_rule(self, when, then="require_manual_review"):
        self.configure(yara(), policy={"rules": [
            {"id": "first", "priority": 10, "when": when, "then": then},
            {"id": "rest", "when": {"always": True}, "then": "allow_with_warning"}]})

    def assert_rule(self, name, rule):
        report = self.scan(name).report
        self.assertEqual(report["rule"]["id"], rule, report)
        self.assertEqual(report["action"], {"first": "require_manual_review",
                                            "rest": "allow_with_warning"}[rule])
        return report

    def test_locked(self):
        self.write("locked.zip", locked_zip(CLEAN))
        self.write("open.zip", simple_zip(b"a", CLEAN))
        self.with_rule({"container": {"encrypted": True}})
        self.assert_rule("locked.zip", "first")
        self.assert_rule("open.zip", "rest")

    def test_macros(self):
        project = vba_project(MACRO)
        self.write("macros.docm", word(Member(b"word/vbaProject.bin", project)))
        self.write("macros.doc", compound({"WordDocument": b"text"} | {
            f"Macros/{path}": data for path, data in vba_streams(MACRO).items()}))
        self.write("packed.zip", simple_zip(b"macros.docm", word(
            Member(b"word/vbaProject.bin", project))))
        self.write("plain.docx", word())
        self.with_rule({"container": {"macros": True}})
        for name in ("macros.docm", "macros.doc", "packed.zip"):
            with self.subTest(name):
                self.assertTrue(self.assert_rule(name, "first")["container"]["macros"])
        self.assertFalse(self.assert_rule("plain.docx", "rest")["container"]["macros"])

    def test_macros_that_run_by_themselves(self):
        self.write("auto.docm", word(Member(b"word/vbaProject.bin", vba_project(MACRO))))
        self.write("manual.docm", word(Member(b"word/vbaProject.bin", vba_project(
            MACRO.replace(b"AutoOpen", b"Greeting")))))
        self.with_rule({"container": {"autorun": True}})
        self.assert_rule("auto.docm", "first")
        self.assert_rule("manual.docm", "rest")

    def test_type_and_size(self):
        self.write("two.zip", wrap(["zip", "gz"], CLEAN))
        self.write("letter.txt", CLEAN)
        for when, rule in (({"type": "zip"}, "first"), ({"type": ["mail", "7z"]}, "rest"),
                           ({"depth_above": 1}, "first"), ({"depth_above": 2}, "rest"),
                           ({"members_above": 1}, "first"), ({"members_above": 2}, "rest"),
                           ({"encrypted": False}, "first")):
            with self.subTest(when):
                self.with_rule({"container": when})
                self.assert_rule("two.zip", rule)
        self.with_rule({"container": {"type": "zip"}})
        self.assert_rule("letter.txt", "rest")

    def test_file_type(self):
        self.write("letter.TXT", CLEAN)
        self.write("letter", CLEAN)
        self.with_rule({"file_type": ["txt", "doc"]})
        self.assert_rule("letter.TXT", "first")
        self.assert_rule("letter", "rest")

    def test_mime(self):
        self.write("picture.jpg", simple_zip(b"a", CLEAN))
        self.write("letter.zip", CLEAN)
        self.with_rule({"mime": "application/zip"})
        report = self.assert_rule("picture.jpg", "first")
        self.assertEqual(report["file"]["mime"], "application/zip")
        self.assert_rule("letter.zip", "rest")

    def test_mime_is_told_of_what_is_not_clean(self):
        self.write("eicar.zip", simple_zip(NAME, INFECTED))
        self.write("letter.txt", CLEAN)
        reports = self.scan("eicar.zip", "letter.txt", status=1).by_name()
        self.assertEqual(reports["eicar.zip"]["file"]["mime"], "application/zip")
        self.assertIsNone(reports["letter.txt"]["file"].get("mime"))


class Assurance(harness.YaraCase):
    """Rules alone are no antivirus."""

    def setUp(self):
        super().setUp()
        for name in "abc":
            self.write(f"in/{name}.txt", CLEAN)

    def test_clean_by_rules_alone_is_allowed_with_a_warning(self):
        result = self.scan("in", status=0)
        for report in result.reports:
            self.assert_outcome(report, "clean", action="allow_with_warning")
            self.assertIn("rules", report["reason"])

    def test_and_said_in_one_line(self):
        result = self.run_program("scan", "in")
        self.assertEqual(result.status, 0, str(result))
        self.assertEqual(result.text, "", "lines for clean files")
        lines = [line for line in result.errors.splitlines() if "antivirus" in line]
        self.assertEqual(len(lines), 1, str(result))

    def test_unless_rules_are_enough(self):
        self.configure(yara(), decision={"min_assurance": "rules"})
        for report in self.scan("in", status=0).reports:
            self.assert_outcome(report, "clean", action="allow")
        result = self.run_program("scan", "in")
        self.assertNotIn("antivirus", result.errors)


class Rules(harness.YaraCase):
    """Rules of one's own."""

    GOOD = 'rule Letter { strings: $a = "nothing to see" condition: $a }\n'
    BAD = "rule Fine { condition: false }\n\nrule Broken { condition: nonsense( }\n"

    def setUp(self):
        super().setUp()
        self.write("letter.txt", CLEAN)
        self.write("other.txt", b"something else\n")
        self.configure(yara(rules=["rules"]))

    def rules(self, text, name="rules/own.yar"):
        return self.write(name, text.encode())

    def threats(self, name="letter.txt", **options):
        return self.scan(name, **options).report["threats"]

    def test_a_match_is_a_detection(self):
        self.rules(self.GOOD)
        report = self.scan("letter.txt", status=1).report
        self.assert_outcome(report, "infected")
        threat = report["threats"][0]
        self.assertEqual((threat["name"], threat["severity"]), ("Letter", "medium"))
        self.assert_outcome(self.scan("other.txt", status=0).report, "clean")

    def test_metadata(self):
        self.rules('rule Letter { meta: verdict = "suspicious" severity = "critical" '
                   'category = "phish" description = "a letter" signature_id = "own-17" '
                   'strings: $a = "nothing to see" condition: $a }\n')
        report = self.scan("letter.txt", status=1).report
        self.assert_outcome(report, "suspicious", action="require_manual_review")
        threat = report["threats"][0]
        self.assertEqual({key: threat[key] for key in ("severity", "category", "description",
                                                       "signature_id")},
                         {"severity": "critical", "category": "phish", "description": "a letter",
                          "signature_id": "own-17"})

    def test_members_are_judged_by_rules_of_ones_own(self):
        self.rules(self.GOOD)
        self.write("a.zip", simple_zip(b"letter.txt", CLEAN))
        self.assertEqual(self.threats("a.zip", status=1)[0]["member"], "letter.txt")

    def test_names_and_sizes_are_known_to_rules(self):
        self.rules('rule Named { condition: filename == "letter.txt" }\n'
                   'rule Kind { condition: extension == "txt" }\n'
                   f"rule Size {{ condition: size == {len(CLEAN)} }}\n")
        self.assertEqual({t["name"] for t in self.threats(status=1)}, {"Named", "Kind", "Size"})
        self.assertEqual({t["name"] for t in self.threats("other.txt", status=1)}, {"Kind"})

    def test_names_of_members_are_known_to_rules(self):
        self.rules('rule Named { condition: filename == "inside.txt" and extension == "txt" }\n')
        self.write("a.zip", simple_zip(b"folder/inside.txt", b"x"))
        threat, = self.threats("a.zip", status=1)
        self.assertEqual((threat["name"], threat["member"]), ("Named", "folder/inside.txt"))

    def test_folders_are_searched(self):
        self.rules(self.GOOD, "rules/deep/er/own.yara")
        self.rules("this is no rule", "rules/readme.txt")
        self.assertEqual(self.threats(status=1)[0]["name"], "Letter")

    def test_what_does_not_compile_stops_a_required_engine(self):
        self.rules(self.GOOD)
        self.rules(self.BAD, "rules/broken.yar")
        result = self.scan("letter.txt", status=2)
        self.assertEqual(result.reports, [], "no verdict without rules")
        self.assertRegex(result.errors, r"broken\.yar\D{1,12}3\b")

    def test_and_takes_an_optional_one_out(self):
        self.rules(self.BAD, "rules/broken.yar")
        self.configure(mock(), yara(rules=["rules"], role="optional"))
        result = self.scan("letter.txt", status=0)
        self.assert_outcome(result.report, "clean")
        entry = next(e for e in result.report["engines"] if e["engine"] == "yara")
        self.assertEqual((entry["outcome"], entry["error"]["kind"]), ("error", "not_configured"))
        self.assertRegex(entry["error"]["message"], r"broken\.yar\D{1,12}3\b")

    def test_missing_and_empty(self):
        (self.folder / "nothing").mkdir()
        for name in ("nothing", "nowhere"):
            with self.subTest(name):
                self.configure(yara(rules=[name]))
                result = self.scan("letter.txt", status=2)
                self.assertIn(name, result.errors)
                self.configure(mock(), yara(rules=[name], role="optional"))
                entry = next(e for e in self.scan("letter.txt", status=0).report["engines"]
                             if e["engine"] == "yara")
                self.assertEqual(entry["error"]["kind"], "not_configured")

    def test_includes_stay_in_the_folder(self):
        self.rules(self.GOOD, "rules/parts/letter.inc")
        self.rules('include "parts/letter.inc"\n')
        self.assertEqual(self.threats(status=1)[0]["name"], "Letter")
        self.rules(self.GOOD, "outside.inc")
        outside = self.folder / "outside.inc"
        (self.folder / "rules/link.inc").symlink_to(outside)
        for path in ("../outside.inc", str(outside), "link.inc"):
            with self.subTest(path):
                self.rules(f'include "{path}"\n')
                result = self.scan("letter.txt", status=2)
                self.assertIn("own.yar", result.errors)

    def test_the_identity_follows_the_rules(self):
        def version():
            return self.scan("other.txt", status=0).report["engines"][0]["signature_version"]
        path = self.rules(self.GOOD)
        first = version()
        self.assertTrue(first)
        path.touch()
        self.assertEqual(version(), first, "the same rules")
        self.rules(self.GOOD.replace("nothing", "anything"))
        second = version()
        self.assertNotEqual(second, first, "a changed rule")
        self.rules("rule More { condition: false }\n", "rules/more.yar")
        self.assertNotEqual(version(), second, "a further rule")

    def test_known_answers(self):
        self.configure(yara())
        result = self.run_program("engines", "--check")
        self.assertEqual(result.status, 0, str(result))
        self.assertIn("yara", result.text)

    def test_the_record_says_what_the_report_says(self):
        self.rules(self.GOOD)
        self.write("a.zip", simple_zip(b"letter.txt", CLEAN))
        report = self.scan("a.zip", status=1).report
        record = next(r for r in self.verify_audit() if r["event"] == "scan_completed")
        self.assertEqual(record["container"]["type"], report["container"]["type"])
        self.assertEqual(record["container"]["members"], 1)
        self.assertIn("Letter", json.dumps(record))


if __name__ == "__main__":
    unittest.main()
