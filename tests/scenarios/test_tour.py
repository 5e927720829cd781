# SPDX-License-Identifier: MIT
"""docs/command-line.md shows what really happens: its blocks are run, and compared."""
import os
import re
import subprocess
import sys
import unittest
import zipfile

from support import harness
from support.harness import CLEAN, INFECTED, ROOT, SCANBRIDGE

DOCUMENT = ROOT / "docs/command-line.md"


def pattern_of(expected):
    """Three dots in one stand for anything on a line; alone on one, for any lines."""
    lines = [r"(?:.*\n)*" if line == "…\n" else
             r"[^\n]*".join(map(re.escape, line.split("…")))
             for line in expected.splitlines(keepends=True)]
    return re.compile("".join(lines))


def commands(block):
    """Pairs of a command and what it is said to print."""
    for part in re.split(r"^\$ ", block, flags=re.M)[1:]:
        command, _, expected = part.partition("\n")
        yield command, expected


class Tour(harness.ClamdCase):
    def setUp(self):
        super().setUp()
        self.write("downloads/letter.txt", b"Dear reader\n")
        self.write("downloads/notes/today.txt", CLEAN)
        self.write("downloads/invoice.com", INFECTED)
        self.write("downloads/old/ancient.txt", b"long ago\n")
        with zipfile.ZipFile(self.folder / "downloads/photos.zip", "w") as archive:
            archive.writestr("photo.raw", bytes(range(256)) * 16)
        self.write("inbox/.keep", b"")
        os.utime(self.write("stamp"), (0, 0))
        (self.folder / "bin").mkdir()
        (self.folder / "bin/scanbridge").symlink_to(SCANBRIDGE)

    def shell(self, script):
        done = subprocess.run(
            ["bash", "-c", "exec 2>&1\n" + script], cwd=self.folder, stdout=subprocess.PIPE,
            text=True, timeout=harness.PATIENCE, stdin=subprocess.DEVNULL,
            env=self.environment() | {"SCANBRIDGE_CONFIG": str(self.config),
                                      "PATH": f"{self.folder}/bin:{os.environ['PATH']}"})
        return done.returncode, done.stdout

    def test_console(self):
        blocks = re.findall(r"^```console\n(.*?)^```", DOCUMENT.read_text(), re.M | re.S)
        self.assertGreater(len(blocks), 10)
        for command, expected in (pair for block in blocks for pair in commands(block)):
            with self.subTest(command):
                _, got = self.shell(command)
                if os.environ.get("SCANBRIDGE_TOUR"):  # for whoever writes the document
                    print(f"$ {command}\n{got}", end="", file=sys.stderr)
                self.assertRegex(got, rf"\A{pattern_of(expected).pattern}\Z")

    def test_cron(self):
        script, = re.findall(r"^```sh\n(.*?)^```", DOCUMENT.read_text(), re.M | re.S)
        script = script.replace("/srv", str(self.folder)).replace(
            "/var/cache", str(self.folder)).replace("find uploads", "find downloads")
        os.utime(self.write("scanbridge.last"), (0, 0))
        status, got = self.shell(script)
        self.assertEqual(status, 1, got)
        self.assertRegex(got, r"\Adownloads/invoice\.com: infected [^\n]*\n\Z")
        # What was there before the stamp is not looked at again.
        os.utime(self.folder / "scanbridge.last")
        self.assertEqual(self.shell(script), (0, ""))

    def test_configuration(self):
        block, = re.findall(r"^```yaml\n(.*?)^```", DOCUMENT.read_text(), re.M | re.S)
        self.config.write_text(block)
        result = self.run_program("config", "check")
        self.assertEqual(result.status, 0, str(result))


if __name__ == "__main__":
    unittest.main()
