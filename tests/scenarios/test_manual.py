# SPDX-License-Identifier: MIT
"""The manual and --help come from the same tables and say the same; every page renders."""
import os
import re
import shutil
import subprocess
import unittest

from support import harness
from support.harness import BUILD, ROOT, SCANBRIDGE

# Keys of the configuration whose tables neither `config init` nor `config show` print.
MORE_KEYS = """on_open fallback_on api_key_file upload min_detections argv infected_exit clean_exit
    url path block allow rules address mode owner group trusted on_unscanned id name priority
    outcome error_kind severity_at_least threat_name size_above file_type always container
    action reason message engine threat until""".split()


def pages():
    return subprocess.run([SCANBRIDGE, "manual"], capture_output=True, text=True,
                          check=True).stdout.split()


def squeezed(text):
    return re.sub(r"\s+", " ", text)


@harness.needs(shutil.which("scdoc") and shutil.which("man"), "no scdoc or man here")
class Manual(harness.Case):
    def render(self, page):
        """As people read it, on lines that are never broken."""
        path = BUILD / "src/cli" / page
        return subprocess.run(
            ["man", "--no-hyphenation", "--no-justification", "-P", "cat", "-l", path],
            capture_output=True, text=True, check=True, cwd=self.folder,
            env=os.environ | {"MANWIDTH": "2000", "LC_ALL": "C.UTF-8"}).stdout

    def test_the_build_makes_all_pages(self):
        made = {path.name for path in (BUILD / "src/cli").glob("scanbridge*.[15]")}
        self.assertLessEqual(set(pages()), made)
        rows = re.findall(r"'(scanbridge[^']*\.[15])'",
                          (ROOT / "src/cli/meson.build").read_text())
        self.assertEqual(sorted(rows), sorted(pages()))

    def test_no_warning(self):
        for page in pages():
            with self.subTest(page):
                done = subprocess.run(
                    ["man", "--warnings", "-E", "UTF-8", "-l", "-Tutf8", "-Z",
                     BUILD / "src/cli" / page], capture_output=True, text=True,
                    env=os.environ | {"LC_ALL": "C", "MANROFFSEQ": "", "MANWIDTH": "80"})
                self.assertEqual((done.returncode, done.stderr), (0, ""))

    def test_a_page_for_every_command(self):
        listed = re.findall(r"^  (\w+(?: \w+)?)  ", self.run_program("--help").text, re.M)
        named = ["scanbridge-" + name.replace(" ", "-") + ".1" for name in listed
                 if not name[0].isdigit()]
        self.assertEqual(["scanbridge.1", *named, "scanbridge.yaml.5"], pages())
        overview = squeezed(self.render("scanbridge.1"))
        for page in named:
            self.assertIn(page.removesuffix(".1") + "(1)", overview)

    def test_help_and_page_agree(self):
        """What --help says, word by word, the page says, too; and no option more."""
        for page in pages()[:-1]:
            words = page.removesuffix(".1").split("-")[1:]
            with self.subTest(page):
                told = self.run_program(*words, "--help").text
                read = self.render(page)
                flat = squeezed(read)
                self.assertEqual(self.options(told),
                                 self.options(self.section("OPTIONS", read)))
                texts = list(self.texts(told))
                self.assertGreaterEqual(len(texts), len(self.options(told)))
                for text in texts:
                    self.assertIn(text, flat)

    def section(self, name, page):
        return re.search(rf"(?ms)^[A-Z ]*{name}$(.*?)^\S", page).group(1)

    def options(self, text):
        return sorted(re.findall(r"^ +(?:-\w, )?(--[\w-]+)", text, re.M))

    def texts(self, told):
        """Help texts of options, examples and statuses, each on one line."""
        for block in re.split(r"\n\n", told)[1:]:
            title, _, rest = block.partition(":\n")
            rows = re.split(r"\n(?= {0,6}\S)", rest)
            for row in rows:
                if title in ("Examples", "Exit status"):
                    yield squeezed(row.strip())
                elif match := re.match(r" +(?:-\w, )?--[\w-]+(?: [A-Z|=]+)?\s+(.*)", row, re.S):
                    if "--help" not in row:
                        yield squeezed(match.group(1).strip())

    def test_every_key(self):
        read = self.render("scanbridge.yaml.5")
        starter = self.run_program("config", "init").text
        keys = set(re.findall(r"^# +(?:- )?([a-z_]+): ", starter, re.M))
        keys |= set(re.findall(r"^ *(\w+):", self.run_program("config", "show").text, re.M))
        self.assertGreater(len(keys), 50)
        sections = {"engines", "listeners", *re.findall(r"^# (\w+):$", starter, re.M)}
        for key in sorted((keys | set(MORE_KEYS)) - sections):
            self.assertTrue(re.search(rf"(?m)^ +{key}( \(|$)", read), key)
        for section in sections:
            self.assertTrue(re.search(rf"(?m)^ *{section}$", read), section)

    def test_defaults_and_ranges(self):
        read = self.render("scanbridge.yaml.5")
        for wanted in ("max_size (SIZE from 1 to 1048576GiB; default 1GiB)",
                       "timeout (DURATION from 1ms to 30d; default 120s)",
                       "strategy (any, all, quorum, majority or weighted; default any)",
                       "address (LIST of texts; required without spawn)",
                       "enabled (true or false; default true)"):
            self.assertIn(wanted, read)

    def test_an_unknown_page(self):
        result = self.run_program("manual", "scanbridge-scn.1")
        self.assertEqual((result.status, result.text), (2, ""))
        self.assertIn("did you mean 'scanbridge-scan.1'", result.errors)


if __name__ == "__main__":
    unittest.main()
