#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""R33: FileTypeIn looked at the text behind the last dot of the first result's name, the size
condition at the first result's size, which was 0 from a mock.

Names and sizes are our own: the name is the request's, the size is what we counted, whatever the
engines are and answer; and the media type, found in the content, is a condition of its own."""
import unittest

from regressions import CLEAN, Case, mock

PAGE = b"<!DOCTYPE html><html><head><title>x</title></head><body>hello</body></html>\n"


def rule(**when):
    return {"preset": "default", "rules": [{"id": "one", "when": when, "then": "block"}]}


class Metadata(Case):
    ENGINES = (
        [mock()], [mock(default="infected:A")], [mock(default="error:engine_unavailable")],
        [mock(default="partial")], [mock("first", default="error:io", role="optional"), mock()])

    def matches(self, path, *arguments, **options):
        report = self.scan(*arguments, path, **options).report
        return (report["rule"] or {}).get("id") == "one", report

    def test_name(self):
        """R33: behind the last dot of the file's own name, and of nothing else's."""
        for name, found in (("a.exe", True), ("a.EXE", True), ("a.b.exe", True), ("exe", False),
                            (".exe", True), ("a.exe.txt", False), ("a.exe. ", True)):
            for engines in self.ENGINES:
                with self.subTest(name, engines=engines):
                    self.configure(*engines, policy=rule(file_type="exe"))
                    self.assertEqual(self.matches(self.write(f"dir.exe/{name}", CLEAN))[0], found)

    def test_name_of_standard_input(self):
        """R33: the name that it was given."""
        self.configure(policy=rule(file_type="exe"))
        for name, found in (("a.exe", True), ("exe.a", False)):
            self.assertEqual(self.matches("-", "--name", name, stdin=CLEAN)[0], found)

    def test_size(self):
        """R33: counted by us, for every engine and every kind of input."""
        for engines in self.ENGINES:
            self.configure(*engines, policy=rule(size_above=len(CLEAN) - 1,
                                                 size_below=len(CLEAN) + 1))
            for content, found in ((CLEAN, True), (CLEAN + b"x", False), (CLEAN[1:], False)):
                with self.subTest(len(content), engines=engines):
                    for path, options in ((self.write("file", content), {}),
                                          ("-", {"stdin": content})):
                        matched, report = self.matches(path, **options)
                        self.assertEqual((matched, report["file"]["size"]),
                                         (found, len(content)))

    def test_media_type(self):
        """R33: from the content, whatever it is called."""
        self.configure(policy=rule(mime="text/html"))
        for name, content, found in (("page.html", PAGE, True), ("page.txt", PAGE, True),
                                     ("page.html", CLEAN, False)):
            matched, report = self.matches(self.write(name, content))
            self.assertEqual(matched, found, name)
            self.assertEqual(report["file"]["mime"] == "text/html", found)


if __name__ == "__main__":
    unittest.main()
