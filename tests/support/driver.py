# SPDX-License-Identifier: MIT
"""scan_driver from Python: a host program's process, asked line by line."""
import json
import os
import subprocess
import tempfile

from support.harness import BUILD

DRIVER = BUILD / "tests" / "scan_driver"


class Driver:
    """A process with at most one manager; `temp` is where it may put temporary files."""

    def __init__(self, config, temp, environment=None):
        self.config = config
        self._errors = tempfile.TemporaryFile()
        self.process = subprocess.Popen(
            [DRIVER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._errors,
            env={**os.environ, "TMPDIR": str(temp), **(environment or {})})

    def send(self, line):
        self.process.stdin.write(line.encode() + b"\n")
        self.process.stdin.flush()

    def read(self):
        line = self.process.stdout.readline()
        if not line:
            raise AssertionError(f"the driver ended, status {self.process.wait()}")
        return json.loads(line)

    def ask(self, line):
        self.send(line)
        return self.read()

    def open(self):
        answer = self.ask(f"open {self.config}")
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

    def scan(self, line):
        """One scan's report."""
        answer = self.scan_all([line + " tag=only"])["only"]
        if "report" not in answer:
            raise AssertionError(f"no report: {answer}")
        return answer["report"]

    def errors(self):
        self._errors.seek(0)
        return self._errors.read().decode(errors="replace")

    def end(self):
        """Quit; a complaint (a wrong status, a sanitizer's report), or None."""
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

    def close(self):
        """What a killed one leaves open."""
        for file in (self.process.stdin, self.process.stdout, self._errors):
            file.close()
