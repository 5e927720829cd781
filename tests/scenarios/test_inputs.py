# SPDX-License-Identifier: MIT
"""Every odd thing that can be named on a command line or met in a tree."""
import base64
import os
import socket
import unittest

from support import harness
from support.harness import CLEAN, mock


class Arguments(harness.Case):
    def test_missing_path(self):
        result = self.scan("missing", status=2)
        self.assert_outcome(result.report, "error", kind="file_not_found")
        self.assertIn("missing", result.report["error"]["message"])

    def test_missing_path_without_json(self):
        result = self.run_program("scan", "missing")
        self.assertEqual(result.status, 2)
        self.assertIn("missing", result.text + result.errors)

    def test_missing_path_beside_others(self):
        self.write("letter.txt")
        result = self.scan("missing", "letter.txt", status=2)
        self.assert_outcome(result.by_name()["letter.txt"], "clean")

    def test_a_path_that_cannot_be_opened_is_status_2_whatever_policy_says(self):
        self.assertEqual(self.scan("--policy", "monitor", "missing").status, 2)

    def test_nothing_named(self):
        result = self.scan(status=2)
        self.assertTrue(result.errors)

    def test_unreadable_file(self):
        path = self.write("secret")
        path.chmod(0)
        result = self.as_nobody("scan", "--json", "secret")
        self.assertEqual(result.status, 2, str(result))
        self.assert_outcome(result.report, "error", kind="io")
        self.assertIn("ermission denied", result.report["error"]["message"])

    def test_unreadable_folder_in_a_tree(self):
        self.write("tree/open/letter.txt")
        self.write("tree/shut/letter.txt")
        (self.folder / "tree/shut").chmod(0)
        self.addCleanup((self.folder / "tree/shut").chmod, 0o700)
        result = self.as_nobody("scan", "--json", "tree")
        self.assertEqual(result.status, 2, str(result))
        told = result.text + result.errors
        self.assertIn("shut", told)
        self.assertEqual([r["outcome"] for r in result.reports].count("clean"), 1, str(result))

    def test_special_files_as_arguments(self):
        os.mkfifo(self.folder / "fifo")
        listener = socket.socket(socket.AF_UNIX)
        self.addCleanup(listener.close)
        listener.bind(str(self.folder / "socket"))
        for path in ("fifo", "socket", "/dev/null"):
            with self.subTest(path):
                result = self.scan(path, status=2)
                self.assert_outcome(result.report, "error", kind="unsupported")

    def test_special_files_in_a_tree_are_skipped_and_counted(self):
        self.write("tree/letter.txt")
        os.mkfifo(self.folder / "tree/fifo")
        result = self.scan("tree", status=0)
        self.assertEqual(list(result.by_name()), ["letter.txt"])
        self.assertRegex(result.errors, r"skipped\D*1|1\D*skipped")

    def test_empty_file(self):
        self.write("empty", b"")
        report = self.scan("empty", status=0).report
        self.assert_outcome(report, "clean")
        self.assertEqual(report["file"]["size"], 0)

    def test_a_link_named_is_followed(self):
        self.write("letter.txt")
        os.symlink("letter.txt", self.folder / "link")
        self.assert_outcome(self.scan("link", status=0).report, "clean")

    def test_a_link_met_is_not_followed(self):
        self.write("tree/letter.txt")
        self.write("elsewhere/other.txt")
        os.symlink("../elsewhere/other.txt", self.folder / "tree/link")
        os.symlink("../elsewhere", self.folder / "tree/folder")
        os.symlink(".", self.folder / "tree/loop")
        self.assertEqual(list(self.scan("tree", status=0).by_name()), ["letter.txt"])

    def test_a_dangling_link_named(self):
        os.symlink("nowhere", self.folder / "link")
        self.assert_outcome(self.scan("link", status=2).report, "error", kind="file_not_found")

    def test_a_file_with_several_names_is_scanned_once(self):
        path = self.write("tree/one")
        os.link(path, self.folder / "tree/two")
        os.link(path, self.folder / "tree/three")
        self.assertEqual(len(self.scan("tree", status=0).reports), 1)

    def test_folders_as_deep_as_the_system_allows(self):
        here = os.open(self.folder, os.O_RDONLY)
        self.addCleanup(os.close, here)
        name, depth = "d" * 200, 60  # far beyond PATH_MAX
        folder = os.dup(here)
        for _ in range(depth):
            os.mkdir(name, dir_fd=folder)
            below = os.open(name, os.O_RDONLY, dir_fd=folder)
            os.close(folder)
            folder = below
        file = os.open("letter.txt", os.O_CREAT | os.O_WRONLY, 0o600, dir_fd=folder)
        os.write(file, CLEAN)
        os.close(file)
        os.close(folder)
        result = self.scan(name)
        self.assertLessEqual(len(result.reports), 1, str(result))
        if result.status == 0:
            self.assert_outcome(result.report, "clean")
        else:  # refused, but said
            self.assertEqual(result.status, 2, str(result))
            self.assertIn("dddd", result.text + result.errors)


class Names(harness.Case):
    NAMES = {
        "newline": b"two\nlines", "escape": b"\x1b[31mred\x1b[0m", "no UTF-8": b"\xff\xfe\x80",
        "C1": "\x9b31m".encode(), "bidi": "a\u202egpj.exe".encode(), "dash": b"-rf",
        "blank": b" ", "quote": b"a'b\"c`d", "backslash": b"a\\x41", "255 bytes": b"n" * 255,
        "carriage return": b"a\rb", "DEL": b"\x7f",
    }

    def test_json_holds_every_name(self):
        for what, name in self.NAMES.items():
            with self.subTest(what):
                path = self.write(b"in/" + name)
                result = self.scan("in", status=0)
                file = result.report["file"]
                try:
                    self.assertEqual(file["name"], name.decode())
                except UnicodeDecodeError:
                    self.assertEqual(base64.b64decode(file["name_base64"]), name)
                    self.assertIn("\\x", file["name"])
                path.unlink()
        self.verify_audit()

    def test_lines_hold_no_control_characters(self):
        for name in self.NAMES.values():
            self.write(b"in/" + name)
        self.configure(mock(default="infected:Test"))
        result = self.run_program("scan", "in")
        self.assertEqual(result.status, 1)
        self.assertEqual(len(result.text.splitlines()), len(self.NAMES), str(result))
        for line in result.out.split(b"\n"):
            text = line.decode("utf-8", "backslashreplace")
            bad = [c for c in text if ord(c) < 32 or 127 <= ord(c) < 160 or
                   0x202a <= ord(c) <= 0x202e or 0x2066 <= ord(c) <= 0x2069]
            self.assertEqual(bad, [], line)

    def test_a_name_that_looks_like_an_option(self):
        self.write("--json")
        result = self.run_program("scan", "--verbose", "--", "--json")
        self.assertEqual(result.status, 0, str(result))
        self.assertIn("--json", result.text)


class Lists(harness.Case):
    def test_file_list(self):
        for name in ("a", "b", "c"):
            self.write(name)
        self.write("list", b"a\nb\n")
        self.assertEqual(sorted(self.scan("--file-list", "list", status=0).by_name()), ["a", "b"])

    def test_file_list_with_nul(self):
        self.write(b"odd\nname")
        self.write(b"b")
        self.write("list", b"odd\nname\0b\0")
        result = self.scan("--file-list", "list", "-0", status=0)
        self.assertEqual(sorted(result.by_name()), ["b", "odd\nname"])

    def test_file_list_on_standard_input(self):
        self.write("a")
        result = self.scan("--file-list", "-", stdin=b"a\n", status=0)
        self.assertEqual(list(result.by_name()), ["a"])

    def test_a_list_that_is_missing(self):
        self.assertEqual(self.scan("--file-list", "nowhere").status, 2)

    def test_an_entry_that_is_missing(self):
        self.write("a")
        result = self.scan("--file-list", "-", stdin=b"a\nmissing\n", status=2)
        self.assertEqual(result.by_name()["a"]["outcome"], "clean")

    def test_exclude(self):
        for name in ("tree/a.iso", "tree/b.txt", "tree/sub/c.iso", "tree/skip/d.txt"):
            self.write(name)
        result = self.scan("--exclude", "*.iso", "--exclude", "skip", "tree", status=0)
        self.assertEqual(list(result.by_name()), ["b.txt"])

    def test_the_data_directory_is_not_scanned(self):
        self.write("letter.txt")
        self.scan("letter.txt", status=0)
        names = self.scan(".", status=0).by_name()
        self.assertIn("letter.txt", names)
        self.assertNotIn("audit.jsonl", names)


class StandardInput(harness.Case):
    def test_named(self):
        report = self.scan("--name", "mail.eml", "-", stdin=CLEAN, status=0).report
        self.assert_outcome(report, "clean")
        self.assertEqual((report["file"]["name"], report["file"]["size"]), ("mail.eml",
                                                                            len(CLEAN)))
        self.assertNotIn("path", report["file"])

    def test_empty(self):
        report = self.scan("-", stdin=b"", status=0).report
        self.assertEqual(report["file"]["size"], 0)

    def test_large(self):
        data = bytes(range(256)) * 200_000
        report = self.scan("-", stdin=data, status=0).report
        self.assertEqual(report["file"]["size"], len(data))

    def test_above_the_limit(self):
        report = self.scan("--max-size", "1000", "-", stdin=b"x" * 1001).report
        self.assert_outcome(report, "error", kind="file_too_large")

    def test_as_a_file(self):
        with open(self.write("letter.txt"), "rb") as file:
            process = self.start("scan", "--json", "-", stdin=file)
            self.assert_outcome(self.finish(process).report, "clean")


class Sizes(harness.Case):
    def test_limit_minus_one_limit_and_one_more(self):
        for size, outcome in ((999, "clean"), (1000, "clean"), (1001, "error"),
                              (100_000, "error")):
            with self.subTest(size):
                self.write("file", b"x" * size)
                result = self.scan("--max-size", "1000", "file",
                                   status=0 if outcome == "clean" else 2)
                self.assert_outcome(result.report, outcome)
                if outcome == "error":
                    self.assert_outcome(result.report, "error", kind="file_too_large")

    def test_the_smaller_limit_wins(self):
        self.write("file", b"x" * 2000)
        self.configure(mock(), limits={"max_size": "1KiB"})
        self.assert_outcome(self.scan("--max-size", "1MiB", "file").report, "error",
                            kind="file_too_large")


class WholeSystem(harness.Case):
    def test_every_file_of_usr_bin_is_reported(self):
        expected, seen = set(), set()
        for folder, _, files in os.walk("/usr/bin"):
            for file in files:
                path = os.path.join(folder, file)
                if os.path.islink(path) or not os.path.isfile(path):
                    continue
                info = os.stat(path)
                if (info.st_dev, info.st_ino) not in seen:
                    seen.add((info.st_dev, info.st_ino))
                    expected.add((info.st_dev, info.st_ino))
        result = self.scan("/usr/bin", status=0)
        got = set()
        for report in result.reports:
            info = os.stat(report["file"]["path"])
            got.add((info.st_dev, info.st_ino))
            self.assertEqual(report["outcome"], "clean")
        self.assertEqual(got, expected)
        self.assertEqual(len(result.reports), len(expected))
        self.verify_audit()


if __name__ == "__main__":
    unittest.main()
