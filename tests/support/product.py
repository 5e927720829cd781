# SPDX-License-Identifier: MIT
"""The built programs, as tests meet them: where they are, how they are run."""
import json
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BUILD = Path(os.environ.get("SCANBRIDGE_BUILD", ROOT / "build")).resolve()
SCANBRIDGE = BUILD / "src" / "cli" / "scanbridge"
DRIVER = BUILD / "tests" / "scan_driver"

# Put together at run time: no file of ours may be a sample itself.
EICAR = b"X5O!P%@AP[4\\PZX54(P^)7CC)7}$" + b"EICAR" + b"-STANDARD-ANTIVIRUS-" \
    + b"TEST-FILE!" + b"$H+H*"


class Workplace:
    """A temporary folder with a data directory, a place for temporary files and a
    configuration. JSON is YAML, so the configuration is a dictionary."""

    def __init__(self):
        self.path = Path(tempfile.mkdtemp(prefix="scanbridge-"))
        self.data = self.path / "data"
        self.temp = self.path / "temp"
        self.temp.mkdir()
        self.config = self.path / "scanbridge.yaml"
        self.environment = {**os.environ, "TMPDIR": str(self.temp), "NO_COLOR": "1",
                            "SCANBRIDGE_CONFIG": str(self.config)}

    def __enter__(self):
        return self

    def __exit__(self, *_):
        shutil.rmtree(self.path)

    def configure(self, engines, **sections):
        settings = {"data_dir": str(self.data), "engines": engines,
                    "quarantine": {"enabled": False}, "cache": {"enabled": False}, **sections}
        self.config.write_text(json.dumps(settings, indent=1), encoding="utf-8")

    def file(self, name, content):
        path = self.path / name
        path.write_bytes(content)
        return path

    def run(self, *arguments, stdin=None, timeout=60):
        """The command line; the completed process with text output."""
        return subprocess.run([SCANBRIDGE, *arguments], env=self.environment, input=stdin,
                              capture_output=True, timeout=timeout, check=False)

    def scan(self, *arguments, stdin=None):
        """`scan --json`: exit status and the reports."""
        ran = self.run("scan", "--json", *arguments, stdin=stdin)
        try:
            reports = [json.loads(line) for line in ran.stdout.splitlines()]
        except json.JSONDecodeError as error:
            raise AssertionError(f"not NDJSON: {ran.stdout!r}, {ran.stderr!r}") from error
        return ran.returncode, reports

    def leftovers(self):
        """Temporary files, which nobody should leave."""
        return [str(path) for path in self.temp.rglob("*")]


class Driver:
    """scan_driver, line by line."""

    def __init__(self, workplace):
        self.workplace = workplace
        self._errors = tempfile.TemporaryFile()
        self.process = subprocess.Popen(
            [DRIVER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._errors,
            env=workplace.environment)

    def send(self, line):
        self.process.stdin.write(line.encode() + b"\n")
        self.process.stdin.flush()

    def read(self):
        line = self.process.stdout.readline()
        if not line:
            raise AssertionError(f"the driver ended: status {self.process.wait()}, "
                                 f"{self.errors()}")
        return json.loads(line)

    def ask(self, line):
        self.send(line)
        return self.read()

    def open(self):
        answer = self.ask(f"open {self.workplace.config}")
        if "opened" not in answer:
            raise AssertionError(f"no manager: {answer}")

    def scan_all(self, lines):
        """Submit all, wait for all: answers by tag."""
        for line in lines:
            self.send(line)
        self.send("wait")
        answers = {}
        while "waited" not in (answer := self.read()):
            answers[answer["tag"]] = answer
        return answers

    def errors(self):
        self._errors.seek(0)
        return self._errors.read().decode(errors="replace")

    def end(self):
        """Quit; a complaint (a sanitizer's report, a wrong status), or None."""
        try:
            self.process.stdin.write(b"quit\n")
            self.process.stdin.close()
        except BrokenPipeError:
            pass
        status = self.process.wait(60)
        self.process.stdout.close()
        text = self.errors()
        self._errors.close()
        if status or text:
            return f"driver: status {status}, stderr: {text[:6000]}"
        return None

    def kill(self):
        self.process.kill()
        self.process.wait()
