# SPDX-License-Identifier: MIT
"""The judge of the containers that make.py writes: whatever the trick, no file that carries the
payload may come out as clean with everything inspected."""
import collections
import concurrent.futures
import os
import pathlib
import shutil
import tempfile
import unittest

import make
import normal
from support import harness
from support.harness import eicar
from writers import SECRET

PATIENCE = 300     # seconds for a scan of all files; only a hang takes that long
ENOUGH = 500       # evasive files, at least
OPENED = 0.70      # of them ordinary tools open so many, at least
FOUND = 0.85       # and of those a scan finds so many
# Python takes the spaces for a part of the coding's name.
NOT_BY_TOOLS = {"mail-coding-spaces.eml"}


def verdict(report):
    """One word of what was said about a file: `infected`, `error encrypted`, `clean partial`."""
    if report["outcome"] == "error":
        return f"error {report['error']['kind']}"
    if report["outcome"] == "clean":
        return f"clean {report['engines'][0]['coverage']['content']}"
    return report["outcome"]


class Made:
    """All files, made once for this program, and how ordinary tools get at the payload of each:
    names of tools from the outside in, or None."""

    def __init__(self):
        self.place = pathlib.Path(tempfile.mkdtemp(prefix="scanbridge-evasive."))
        unittest.addModuleCleanup(shutil.rmtree, self.place, ignore_errors=True)
        self.manifest = make.write(self.place)
        rows = self.manifest["evasive"]
        with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
            self.ways = dict(zip(rows, pool.map(self._find, rows)))

    def _find(self, name):
        return normal.finds((self.place / "evasive" / name).read_bytes(), eicar())


made = None


def setUpModule():
    global made
    made = Made()


class Samples(unittest.TestCase):
    """Before they judge a scanner, the samples are judged themselves."""

    @classmethod
    def setUpClass(cls):
        cls.place, cls.rows, cls.ways = made.place, made.manifest["evasive"], made.ways

    def test_there_are_many(self):
        self.assertGreaterEqual(len(self.rows), ENOUGH)

    def test_ordinary_tools_open_most(self):
        opened = sum(way is not None for way in self.ways.values())
        print(f"\n{opened} of {len(self.ways)} are opened by ordinary tools")
        self.assertGreaterEqual(opened / len(self.ways), OPENED)

    def test_nothing_is_wrong_with_the_sound_ones(self):
        closed = [name for name, row in self.rows.items()
                  if row["sound"] and self.ways[name] is None and name not in NOT_BY_TOOLS]
        self.assertEqual(closed, [])

    def test_the_locked_open_with_their_password(self):
        for name, row in self.rows.items():
            if row["password"]:
                data = (self.place / "evasive" / name).read_bytes()
                self.assertTrue(normal.unlocks(data, eicar(), row["password"]), name)

    def test_the_harmless_hold_no_payload(self):
        for path in sorted((self.place / "clean").iterdir()):
            self.assertIsNone(normal.finds(path.read_bytes(), eicar()), path.name)


class Evasive(harness.YaraCase):
    """One scan of all files by the engine yara alone, looked at from several sides."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.place, cls.manifest, cls.ways = made.place, made.manifest, made.ways
        cls.results = {}

    def scanned(self, kind, *options):
        """Reports by file name; every file has one. Scanned once for all tests."""
        key = (kind, *options)
        if key not in self.results:
            process = self.start("scan", "--json", *options, str(self.place / kind))
            result = self.finish(process, patience=PATIENCE)
            self.results[key] = result.by_name()
            self.assertEqual(set(self.results[key]), set(self.manifest[kind]), result.errors)
        return self.results[key]

    def judged(self, kind="evasive"):
        """(name, what the manifest says, report) of every file."""
        reports = self.scanned(kind)
        return [(name, row, reports[name]) for name, row in self.manifest[kind].items()]

    def opened_by(self, name):
        way = self.ways[name]
        return "no ordinary tool opens it" if way is None else "opened by " + ", ".join(way)

    def assert_no_file(self, findings):
        if findings:
            self.fail(f"{len(findings)} files:\n" + "\n".join(findings))

    def test_nothing_passes_as_inspected(self):
        self.print_table()
        passed = [(name, row) for name, row, report in self.judged()
                  if verdict(report) == "clean inspected"]
        passed.sort(key=lambda item: self.ways[item[0]] is None)  # what people open comes first
        self.assert_no_file([f"{row['family']}: {name} ({row['intention']}; at best {row['best']};"
                             f" {self.opened_by(name)})" for name, row in passed])

    def test_what_ordinary_tools_open_is_found(self):
        opened = [(name, verdict(report)) for name, _, report in self.judged()
                  if self.ways[name] is not None]
        missed = [f"{name}: {said}, {self.opened_by(name)}"
                  for name, said in opened if said != "infected"]
        print(f"\n{len(opened) - len(missed)} of {len(opened)} that ordinary tools open are found."
              f" Not:\n" + "\n".join(missed))
        self.assertGreaterEqual(1 - len(missed) / len(opened), FOUND)

    def test_what_nothing_is_wrong_with_is_found(self):
        """A container as its format's description has it."""
        self.assert_no_file([f"{name}: {verdict(report)}" for name, row, report in self.judged()
                             if row["sound"] and verdict(report) not in ("infected",
                                                                         "error unsupported")])

    def test_errors_are_about_the_content(self):
        """No trick brings the engine down or makes it late."""
        self.assert_no_file([f"{name}: {report['error']}" for name, _, report in self.judged()
                             if report["outcome"] == "error"
                             and report["error"]["class"] != "content"])

    def test_too_deep_is_never_clean(self):
        self.assert_no_file([f"{name}: {verdict(report)}" for name, row, report in self.judged()
                             if row["best"] == "limit_exceeded"
                             and report["outcome"] not in ("infected", "error")])

    def test_locked_is_said_to_be_locked(self):
        self.assert_no_file([f"{name}: {verdict(report)}" for name, row, report in self.judged()
                             if row["password"] and verdict(report) != "error encrypted"])

    def test_locked_zips_open_with_their_password(self):
        reports = self.scanned("evasive", "--archive-password", SECRET)
        self.assert_no_file([f"{name}: {verdict(reports[name])}"
                             for name, row in self.manifest["evasive"].items()
                             if row["password"] and name.startswith("zip")
                             and verdict(reports[name]) != "infected"])

    def test_harmless_counterparts_are_harmless(self):
        self.assert_no_file([f"{name}: {verdict(report)}"
                             for name, _, report in self.judged("clean")
                             if report["outcome"] in ("infected", "suspicious")])

    def test_sound_counterparts_are_clean(self):
        self.assert_no_file([f"{name}: {verdict(report)} {report['error']}"
                             for name, row, report in self.judged("clean")
                             if row["sound"] and report["outcome"] != "clean"])

    def print_table(self):
        """Per family, how often each verdict was given."""
        table = collections.defaultdict(collections.Counter)
        for _, row, report in self.judged():
            table[row["family"]][verdict(report)] += 1
        said = sorted(set().union(*table.values()))
        widths = [max(len(word), 5) for word in said]
        print("\n" + "family".ljust(16), *(word.rjust(w) for word, w in zip(said, widths)))
        total = sum(table.values(), collections.Counter())
        for name, counts in [*table.items(), ("all", total)]:
            print(name.ljust(16), *(str(counts[word] or "").rjust(w)
                                    for word, w in zip(said, widths)))
        print(f"{len(self.manifest['missing_tools'])} recipes had no tool")


if __name__ == "__main__":
    unittest.main()
