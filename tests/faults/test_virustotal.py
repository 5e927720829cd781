#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The faults of virustotal.py × the request that they strike × infected and clean content ×
required and optional × first try and retries, through the public API: no false clean, the cause and
the engine named, over at the deadline, nothing left behind."""
import itertools
import pathlib
import sys
import unittest
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from faults import matrix, virustotal  # noqa: E402
from faults.server import Server  # noqa: E402
from support.driver import Driver  # noqa: E402
from support.harness import engines_built  # noqa: E402
from support.virustotal import KEY, VirusTotal  # noqa: E402

TIMEOUT_MS, GRACE_MS, CROWD, RETRY_CROWD = 1000, 250, 24, 5
CONTENTS = {"clean": b"nothing to be seen", "infected": b"something evil"}


@dataclass(frozen=True)
class Cell:
    number: int
    variant: virustotal.Row
    route: str
    content: str
    role: str
    attempts: int

    @property
    def engine(self):
        return f"c{self.number}"

    def __str__(self):
        return (f"{self.variant.name} × {self.route} × {self.content} × {self.role} × "
                f"{self.attempts} attempts")


def cells():
    number = itertools.count()
    for row in virustotal.rows():
        for route, content, role, attempts in itertools.product(
                row.routes, CONTENTS, ("required", "optional"), (1, 3)):
            if attempts == 1 or role == "required":
                yield Cell(next(number), row, route, content, role, attempts)


def crowds(group):
    def key(cell):
        return cell.attempts, cell.variant.slow

    for (attempts, _), some in itertools.groupby(sorted(group, key=key), key):
        some = list(some)
        size = RETRY_CROWD if attempts > 1 else CROWD
        for start in range(0, len(some), size):
            yield some[start:start + size]


class Crowd(matrix.Crowd):
    """The same judgement over other servers."""

    def _engine(self, cell, address):
        return {"name": cell.engine, "type": "virustotal", "role": cell.role,
                "base_url": address, "api_key_file": str(self.key), "timeout": f"{TIMEOUT_MS}ms",
                "upload": "never" if cell.route == "file" else "unknown",
                "poll_interval": "10ms", "breaker": {"preset": "off"}, "concurrency": 1,
                "retry": {"attempts": cell.attempts, "initial": "1ms", "jitter": False}}

    def _prepare(self, work, server):
        self.key = work.path / "key"
        self.key.write_text(KEY)
        self.key.chmod(0o600)
        self.struck = {}
        for name, data in CONTENTS.items():
            (work.path / name).write_bytes(data)
        self.engines = [self._engine(cell, self._address(work, server, cell))
                        for cell in self.cells]
        work.configure(self.engines + [{"name": "healthy", "type": "mock"}])

    def _address(self, _work, server, cell):
        kind = cell.variant.address
        if kind != "listen":
            address = server.refusing_tcp() if kind == "refusing" else server.silent_tcp()
            return "http://" + address.removeprefix("tcp:") + "/api/v3"
        vt = VirusTotal()
        counts = {"malicious": 50} if cell.content == "infected" else {}
        data = CONTENTS[cell.content]
        (vt.know if cell.route == "file" else vt.will_find)(data, **counts)
        vt.polls = 0

        def strike(peer, request):
            self.struck[cell] = True
            return cell.variant.play(vt, peer, request)
        vt.fault[cell.route] = strike
        return vt.listen(server).base

    def _line(self, work, cell):
        engines = cell.engine + (",healthy" if cell.role == "optional" else "")
        verb = ("path", "fd", "memory")[cell.number % 3]
        return f"{verb} {work.path}/{cell.content} tag={cell.engine} engines={engines}"

    def _play(self, work, driver):
        before = driver.ask("stats")
        driver.open()
        answers = driver.scan_all(self._line(work, cell) for cell in self.cells)
        driver.ask("close")
        after = matrix._settled(driver, before)
        complaint = driver.end()
        self._complain(None, *filter(None, [complaint]))
        if after["fds"] != before["fds"] or after["threads"] > before["threads"]:
            self._complain(None, f"before: {before}, after: {after}")
        self._verify_audit(work)
        for cell in self.cells:
            self._judge(cell, answers.get(cell.engine))

    def _judge(self, cell, answer):
        if answer is None or "report" not in answer:
            self._complain(cell, f"no report: {answer}")
            return
        report = answer["report"]
        entry = matrix._entry(cell, report)
        # Three requests may take a busy machine their time: judged again when it is idle.
        slow = (entry["error"] or {}).get("kind") == "timeout" and not cell.variant.slow
        self._complain(cell, *entry_complaints(cell, entry), late=slow)
        self._complain(cell, *matrix._report_complaints(cell, report))
        if cell.variant.play is not None and cell not in self.struck:
            self._complain(cell, "the fault was never met", late=slow)
        if answer["elapsed_ms"] > TIMEOUT_MS + GRACE_MS:
            self._complain(cell, f"lasted {answer['elapsed_ms']} ms", late=True)


def entry_complaints(cell, entry):
    expected, outcome, cause = cell.variant.expected, entry["outcome"], entry["error"]
    if outcome == "error":
        if not cause or cause["engine"] != cell.engine or not cause["message"]:
            yield f"engine and cause are not named: {cause}"
        elif cause["kind"] not in expected.kinds:
            yield f"error {cause['kind']} ({cause['message']}), expected {expected.why}"
        if KEY in str(entry):
            yield "the key is told"
    elif outcome == "clean" and cell.content == "infected":
        yield f"FALSE CLEAN, expected {expected.why}"
    elif outcome != cell.content or not expected.truth:
        yield f"{outcome}, expected {expected.why}"
    if entry.get("attempts", 1) > cell.attempts:
        yield f"{entry['attempts']} attempts"


def judge(group):
    """What was only late is judged again alone."""
    with ThreadPoolExecutor(3) as pool:
        complaints = [entry for result in pool.map(lambda crowd: Crowd(crowd).run(), crowds(group))
                      for entry in result]
    late = [cell for cell, _, is_late in complaints if is_late]
    complaints = [entry for entry in complaints if not entry[2]]
    for cell in late:
        complaints += Crowd([cell]).run()
    return complaints


class Matrix(unittest.TestCase):
    maxDiff = None

    @classmethod
    def setUpClass(cls):
        if "virustotal" not in engines_built():
            raise unittest.SkipTest("this build has no engine virustotal")

    def test_every_cell(self):
        group = list(cells())
        self.assertGreater(len(group), 500)
        complaints = judge(group)
        self.assertFalse(complaints, "\n".join(
            f"{cell or 'the process'}: {text}" for cell, text, _ in complaints))

    def settled(self, driver, before):
        """What the process holds, as soon as it is no more than before: a scan's last parts are let
        go just after its answer. What is leaked stays."""
        for _ in range(200):
            after = driver.ask("stats")
            if after["fds"] <= before["fds"] and after["threads"] <= before["threads"]:
                break
        return after

    def test_more_scans_hold_nothing_more(self):
        """After the first scans with each fault, more of them need no further descriptor and no
        further thread."""
        group = [cell for cell in cells() if not cell.variant.slow and cell.attempts == 1
                 and cell.role == "required" and cell.content == "infected"]
        crowd = Crowd(group[:CROWD])
        with matrix.Workplace() as work, Server() as server:
            crowd._prepare(work, server)
            driver = Driver(work.config, work.temp)
            driver.open()
            for cell in crowd.cells:
                many = f"many {work.path}/{cell.content} %d tag=x engines={cell.engine}"
                driver.ask(many % 2)
                before = driver.ask("stats")
                driver.ask(many % 6)
                after = self.settled(driver, before)
                with self.subTest(str(cell)):
                    self.assertLessEqual(after["fds"], before["fds"])
                    self.assertLessEqual(after["threads"], before["threads"])
            self.assertIsNone(driver.end())


if __name__ == "__main__":
    unittest.main()
