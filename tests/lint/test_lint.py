# SPDX-License-Identifier: MIT
"""Rules of CONTRIBUTING.md that a program can check, over the sources and the release binaries."""
import re
import subprocess
import unittest

from support.harness import BUILD, ROOT, SCANBRIDGE, eicar

BANNED = ("system popen strcpy sprintf vsprintf strcat gets strtok alloca tmpnam mktemp realpath "
          "access chown chmod unlink rename").split()
BANNED_CALL = re.compile(r"(?<![\w.>])(" + "|".join(BANNED) + r")\s*\(")
COLUMNS, TAB, FILE_LINES, FUNCTION_LINES = 100, 8, 900, 100
TEST_FILE_LINES = 1500  # tables are long
BINARIES = [SCANBRIDGE, BUILD / "libscanbridge.so.0"]


def tracked():
    """Files of the project: what git knows, or what is there in a source archive."""
    done = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True)
    if done.returncode == 0:
        names = done.stdout.decode().split("\0")
        return [ROOT / name for name in names if name and (ROOT / name).is_file()]
    return [path for path in ROOT.rglob("*") if path.is_file()
            and not path.relative_to(ROOT).parts[0].startswith(("build", ".git"))]


def c_files():
    return [path for path in tracked() if path.suffix in (".c", ".h")]


def code_only(text):
    """Without comments and strings, but with every line where it was."""
    def blank(match):
        return re.sub(r"[^\n]", " ", match.group())
    return re.sub(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', blank, text,
                  flags=re.S)


class Sources(unittest.TestCase):
    maxDiff = None

    def assert_none(self, findings):
        self.assertEqual(findings, [], "\n" + "\n".join(findings))

    def test_banned_calls(self):
        findings = []
        for path in c_files():
            if path.relative_to(ROOT).parts[0] not in ("src", "include") \
                    or path.stem.endswith("_test"):
                continue
            for number, line in enumerate(code_only(path.read_text()).splitlines(), 1):
                for name in BANNED_CALL.findall(line):
                    findings.append(f"{path.relative_to(ROOT)}:{number}: {name}()")
        self.assert_none(findings)

    def test_no_scanner_trips_over_the_repository(self):
        self.assert_none([str(path.relative_to(ROOT)) for path in tracked()
                          if eicar() in path.read_bytes()])

    def test_licence_comes_first(self):
        # Text that others read as it is (fuzz corpora, licence, lists) has no place for it.
        suffixes = (".c", ".h", ".py", ".sh")
        self.assert_none([str(path.relative_to(ROOT)) for path in tracked()
                          if path.suffix in suffixes
                          and "SPDX-License-Identifier: MIT" not in path.read_text()[:200]])

    def test_sizes(self):
        findings = []
        for path in c_files():
            lines = path.read_text().splitlines()
            where = path.relative_to(ROOT)
            limit = TEST_FILE_LINES if path.stem.endswith("_test") else FILE_LINES
            if len(lines) > limit:
                findings.append(f"{where}: {len(lines)} lines")
            findings += [f"{where}:{number}: wider than {COLUMNS} columns"
                         for number, line in enumerate(lines, 1)
                         if len(line.expandtabs(TAB)) > COLUMNS]
            start = None
            for number, line in enumerate(lines, 1):
                if line == "{":
                    start = number
                elif line == "}" and start:
                    if number - start > FUNCTION_LINES:
                        findings.append(f"{where}:{start}: {number - start} lines of function")
                    start = None
        self.assert_none(findings)

    def test_no_unfinished_marks(self):
        mark = re.compile(r"\b(" + "|".join(("TO" + "DO", "FIX" + "ME", "X" * 3)) + r")\b")
        findings = []
        for path in tracked():
            if path.suffix in (".c", ".h", ".py", ".sh", ".md", ".build"):
                for number, line in enumerate(path.read_text().splitlines(), 1):
                    if mark.search(line):
                        findings.append(f"{path.relative_to(ROOT)}:{number}")
        self.assert_none(findings)

    def test_layers_only_look_down(self):
        """src/util includes nothing of ours but itself; the library nothing of the program."""
        findings = []
        for path in c_files():
            parts = path.relative_to(ROOT).parts
            if parts[0] != "src" or path.stem.endswith("_test"):
                continue
            for name in re.findall(r'^#include "(\w+)/', path.read_text(), re.M):
                below_util = parts[1] == "util" and name != "util"
                upward = parts[1] != "cli" and name == "cli"
                if below_util or upward:
                    findings.append(f"{'/'.join(parts)} includes {name}/")
        self.assert_none(findings)


class Binaries(unittest.TestCase):
    """The release build; a sanitizer's build is not what anybody installs."""

    @classmethod
    def setUpClass(cls):
        if not SCANBRIDGE.exists():
            raise FileNotFoundError(f"{SCANBRIDGE} is not built")

    def readelf(self, path, *options):
        return subprocess.run(["readelf", "-W", *options, path], check=True, capture_output=True,
                              text=True).stdout

    def test_position_independent(self):
        for path in BINARIES:
            self.assertRegex(self.readelf(path, "-h"), r"Type:\s+DYN", path)
        self.assertRegex(self.readelf(SCANBRIDGE, "-d"), r"FLAGS_1.*\bPIE\b")

    def test_relro_and_bind_now(self):
        for path in BINARIES:
            self.assertIn("GNU_RELRO", self.readelf(path, "-l"), path)
            self.assertRegex(self.readelf(path, "-d"), r"BIND_NOW|FLAGS.*\bNOW\b", path)

    def test_no_executable_stack(self):
        for path in BINARIES:
            stack = re.search(r"GNU_STACK.*", self.readelf(path, "-l")).group()
            self.assertNotIn("E", stack.replace("GNU_STACK", "").replace("0x", ""), path)

    def test_stack_protector_and_fortify(self):
        for path in BINARIES:
            symbols = self.readelf(path, "--dyn-syms")
            self.assertIn("__stack_chk_fail", symbols, path)
            self.assertRegex(symbols, r"__\w+_chk@", path)

    def test_control_flow_protection(self):
        for path in BINARIES:
            if "X86-64" not in self.readelf(path, "-h"):
                self.skipTest("not x86-64")
            # The property note needs a C library that was built for it; our own code is marked.
            code = subprocess.run(["objdump", "-d", "-j", ".text", path], check=True,
                                  capture_output=True, text=True).stdout
            self.assertGreater(code.count("endbr64"), 100, path)

    def test_no_traces_of_the_machine_that_built_it(self):
        for path in BINARIES:
            data = path.read_bytes()
            self.assertNotIn(eicar(), data, path)
            self.assertNotIn(str(ROOT).encode() + b"/", data, path)
            self.assertNotRegex(self.readelf(path, "-d"), r"R(UN)?PATH.*\[/")


if __name__ == "__main__":
    unittest.main()
