# SPDX-License-Identifier: MIT
"""The bundled rules: what they find, what they let pass, what they say about themselves.

They are compiled by yarac and run by yara, the programs of the libyara that the engine uses.
"""
import pathlib
import re
import shutil
import subprocess
import tempfile
import unittest

import cases
from support.harness import ROOT

RULES = sorted((ROOT / "rules").glob("*.yar"))
EXTERNALS = {"filename": "x", "filepath": "x", "extension": "x", "container": "x", "size": 1,
             "depth": 1, "mime": "x", "filetype": "x", "owner": "x"}
REQUIRED = {"signature_id", "description", "verdict", "severity", "category", "reference",
            "false_positives"}


def define(values):
    return [word for name, value in values.items() for word in ("-d", f"{name}={value}")]


def described(sample):
    """The external variables as the engine sets them."""
    _, dot, extension = sample.name.rpartition(".")
    return {"filename": sample.name, "filepath": sample.name,
            "extension": extension.lower() if dot else "", "container": sample.container,
            "size": len(sample.data), "depth": sample.depth, "mime": "", "filetype": "",
            "owner": ""}


def metadata():
    """Rule -> its metadata, read from the text; the files are plain enough for that."""
    rules = {}
    for path in RULES:
        for name, body in re.findall(r"^rule (\w+)\n\{\n(.*?)^\}", path.read_text(), re.M | re.S):
            meta = body.split("\tmeta:\n")[1].split("\tstrings:\n")[0].split("\tcondition:\n")[0]
            rules[name] = dict(re.findall(r'^\t\t(\w+) = "(.*)"$', meta, re.M))
    return rules


class Text(unittest.TestCase):
    def test_every_rule_is_read(self):
        text = "".join(path.read_text() for path in RULES)
        self.assertEqual(len(metadata()), len(re.findall(r"\brule \w+", re.sub("//.*", "", text))))

    def test_metadata(self):
        for name, meta in metadata().items():
            with self.subTest(rule=name):
                self.assertEqual(set(meta), REQUIRED)
                self.assertTrue(all(meta.values()))
                self.assertRegex(meta["signature_id"], r"^SB-\d{4}$")
                self.assertIn(meta["severity"], ("low", "medium", "high", "critical"))
                self.assertEqual(meta["verdict"],
                                 "infected" if name == "EICAR_Test_File" else "suspicious")
                self.assertLess(len(meta["description"]), 110)

    def test_identities_are_unique(self):
        ids = [meta["signature_id"] for meta in metadata().values()]
        self.assertEqual(len(ids), len(set(ids)))

    def test_every_file_says_what_it_looks_for(self):
        for path in RULES:
            with self.subTest(file=path.name):
                head = path.read_text().split("\nrule ")[0]
                self.assertTrue(head.startswith("// SPDX-License-Identifier: MIT\n//\n"))
                self.assertIn("False positives:", head)

    def test_no_modules(self):
        """The structures of a module cost every scan more than all rules together."""
        for path in RULES:
            self.assertNotRegex(path.read_text(), r"(?m)^import ", path)

    def test_every_rule_has_samples(self):
        self.assertEqual(set(cases.CASES), set(metadata()))
        for name, (hits, misses) in cases.CASES.items():
            with self.subTest(rule=name):
                self.assertGreaterEqual(len(hits), 1)
                self.assertGreaterEqual(len(misses), 2)


class Matches(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = pathlib.Path(tempfile.mkdtemp(prefix="rules."))
        cls.addClassCleanup(shutil.rmtree, cls.folder)
        cls.compiled = cls.folder / "rules.yac"
        done = subprocess.run(["yarac", *define(EXTERNALS), *RULES, cls.compiled],
                              capture_output=True, text=True, check=True)
        cls.said = done.stdout + done.stderr

    def matches(self, sample):
        path = self.folder / "content"
        path.write_bytes(sample.data)
        done = subprocess.run(["yara", "-C", *define(described(sample)), self.compiled, path],
                              capture_output=True, text=True)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        return {line.split()[0] for line in done.stdout.splitlines()}

    def test_no_warnings(self):
        """Warnings are about patterns that slow down every scan."""
        self.assertEqual(self.said, "")

    def test_each_file_compiles_alone(self):
        for path in RULES:
            with self.subTest(file=path.name):
                done = subprocess.run(["yarac", *define(EXTERNALS), path, self.folder / "one"],
                                      capture_output=True, text=True)
                self.assertEqual((done.returncode, done.stderr), (0, ""))

    def test_finds(self):
        for name, (hits, _) in cases.CASES.items():
            for i, sample in enumerate(hits):
                with self.subTest(rule=name, sample=i, file=sample.name):
                    self.assertIn(name, self.matches(sample))

    def test_lets_pass(self):
        for name, (_, misses) in cases.CASES.items():
            for i, sample in enumerate(misses):
                with self.subTest(rule=name, sample=i, file=sample.name):
                    self.assertNotIn(name, self.matches(sample))

    def test_the_project_itself_passes(self):
        """Rules, samples and documents hold what the rules look for, but not as one text."""
        names = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True).stdout
        paths = [ROOT / name for name in names.decode().split("\0") if name] \
            or [path for path in ROOT.rglob("*") if "build" not in path.parts[-2]]
        for path in paths:
            if path.is_file() and path.suffix in (".yar", ".py", ".md", ".c", ".h", ".sh"):
                with self.subTest(file=path.name):
                    self.assertEqual(self.matches(cases.Sample(path.read_bytes(), path.name)), set())


if __name__ == "__main__":
    unittest.main()
