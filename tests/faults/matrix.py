#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The fault matrix (safety.md E1): every fault of the catalogue × transport × infected and
clean content × required and optional engine, through the public API; and the same faults in the
middle of something (situations.py).

Each cell is one engine of one configuration, against its own listener. Cells run in crowds:
many engines in one driver process, all scans submitted at once, so that waiting costs little.
A cell fails if its verdict is none that the catalogue allows, if the failing engine or the
cause is not named, if it lasts longer than the engine's timeout + 250 ms, or if the fault was
never met. A crowd fails if the process leaves descriptors, threads or temporary files behind,
or says anything on standard error (sanitizers do).

    matrix.py --sample | --full [--only TEXT] [--protocol NAME] [--jobs N] [--verbose]
"""
import argparse
import itertools
import json
import re
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from faults import catalogue, icap_catalogue, situations  # noqa: E402
from faults.clamd import Clamd, EICAR, THREAT  # noqa: E402
from faults.server import Server, has_ipv6  # noqa: E402
from support.driver import DRIVER, Driver  # noqa: E402
from support.harness import SCANBRIDGE  # noqa: E402

TIMEOUT_MS = 1000
GRACE_MS = 250
SIZES = {"small": 1000, "chunks": 200 << 10, "huge": 8 << 20}
# How many cells share a driver: scans that only wait are cheap, large contents are not.
CROWD = {"small": 48, "chunks": 32, "huge": 6}
SCENES = 24  # of one situation
RETRY_CROWD = 6  # a manager starts with a budget of 10 retries
CATALOGUES = {"clamd": catalogue, "icap": icap_catalogue}
GOOD_NAME = re.compile(r"[A-Za-z0-9._:/+-]{1,128}")


@dataclass(frozen=True)
class Cell:
    number: int
    variant: catalogue.Variant
    transport: str
    content: str
    role: str
    attempts: int

    @property
    def engine(self):
        return f"c{self.number}"

    @property
    def file(self):
        return f"{self.content}-{self.variant.size}"

    def __str__(self):
        tries = "" if self.attempts == 1 else f" × {self.attempts} attempts"
        return (f"{self.variant.fault} ({self.variant.detail}) × {self.transport} × "
                f"{self.content} × {self.role}{tries}")


def cells(full, protocols=("clamd", "icap")):
    """All combinations; the short form takes the catalogue's selection."""
    number = itertools.count()
    chosen = [variant for name in protocols for variant in CATALOGUES[name].variants()]
    for attempts, variants in ((1, chosen), (3, catalogue.retried(chosen))):
        for variant in variants:
            if not full and not variant.sample:
                continue
            for transport, content, role in itertools.product(
                    variant.transports, variant.contents, ("required", "optional")):
                if attempts > 1 and role == "optional" and not full:
                    continue
                yield Cell(next(number), variant, transport, content, role, attempts)


def crowds(all_cells):
    """Groups that can run in one process: alike in size, retries and patience."""
    def key(cell):
        return cell.attempts, cell.variant.size, cell.variant.slow, cell.variant.warm

    for (attempts, size, *_), group in itertools.groupby(sorted(all_cells, key=key), key):
        limit = min(CROWD[size], RETRY_CROWD if attempts > 1 else 1000)
        group = list(group)
        for start in range(0, len(group), limit):
            yield group[start:start + limit]


def content(name):
    """The sample is at the very end: whoever misses the last byte misses it."""
    kind, size, *other = name.split("-")
    tail = EICAR if kind == "infected" else b"nothing to be seen"
    padding = b"padding " if not other else b"padding" + other[0].encode()
    return (padding * (SIZES[size] // 8))[:SIZES[size] - len(tail)] + tail


class Workplace:
    """A folder for one process: its configuration, data, samples and temporary files."""

    def __init__(self):
        self.path = Path(tempfile.mkdtemp(prefix="scanbridge-matrix."))
        self.temp = self.path / "temp"
        self.temp.mkdir()
        self.config = self.path / "scanbridge.yaml"

    def __enter__(self):
        return self

    def __exit__(self, *_):
        shutil.rmtree(self.path)

    def configure(self, engines, cache=False):
        self.config.write_text(json.dumps(
            {"data_dir": str(self.path / "data"), "engines": engines,
             "quarantine": {"enabled": False}, "cache": {"enabled": cache}}, indent=1))


# --- one crowd ------------------------------------------------------------------------------
class Crowd:
    def __init__(self, group):
        self.cells = group
        self.complaints = []  # (cell or None, text, late)
        self.engines = []
        self.listeners = {}
        self.scripts = {}

    def run(self):
        """The complaints; empty when all is well."""
        with Workplace() as work, Server() as server:
            self._prepare(work, server)
            driver = Driver(work.config, work.temp)
            try:
                self._play(work, driver)
            except (AssertionError, OSError) as error:
                driver.kill()
                self._complain(None, f"{error}\n{driver.errors()}")
            self._complain(None, *server.failures())
        return self.complaints

    def _complain(self, cell, *texts, late=False):
        self.complaints += [(cell, text, late) for text in texts]

    # --- the servers and the configuration ---
    def _prepare(self, work, server):
        self.engines = [self._engine(cell, self._address(work, server, cell))
                        for cell in self.cells]
        work.configure(self.engines + [{"name": "healthy", "type": "mock"}])
        for name in {cell.file for cell in self.cells}:
            (work.path / name).write_bytes(content(name))

    def _engine(self, cell, address):
        """Required engines use pooled sessions, and streams because descriptors are refused;
        optional ones connections of their own, and streams because they are told to."""
        settings = {"name": cell.engine, "type": cell.variant.protocol, "role": cell.role,
                    "timeout": f"{TIMEOUT_MS}ms", "self_test": "off",
                    "breaker": {"preset": "off"}, "concurrency": 1,
                    "retry": {"attempts": cell.attempts, "initial": "1ms", "jitter": False}}
        if cell.variant.protocol == "icap":
            settings |= {"url": [address.replace("tcp:", "icap://", 1) + "/scan"],
                         "method": cell.transport.removeprefix("icap-")}
        else:
            settings["address"] = [address]
        if cell.role == "optional":
            settings["pool"] = cell.variant.warm > 0
            if cell.transport.startswith("instream"):
                settings["transport"] = "instream"
        return settings | dict(cell.variant.settings)

    def _address(self, work, server, cell):
        path = f"{work.path}/{cell.engine}.sock"
        tcp = cell.transport.endswith("tcp") or cell.variant.protocol == "icap"
        host = "::1" if cell.role == "optional" and has_ipv6() else "127.0.0.1"
        kind = cell.variant.address
        if kind == "missing":
            return f"unix:{path}"
        if kind == "refusing":
            return server.refusing_tcp(host) if tcp else server.refusing_unix(path)
        if kind == "silent":
            return server.silent_tcp(host) if tcp else server.silent_unix(path)
        script = self._script(cell)
        listener = server.listen_tcp(script, host, receive_buffer=65536) if tcp \
            else server.listen_unix(path, script)
        self.listeners[cell], self.scripts[cell] = listener, script
        return listener.address

    def _script(self, cell):
        options = {"armed": cell.variant.armed}
        if cell.variant.protocol == "clamd":
            options["fildes"] = cell.transport.startswith("fildes")
        return cell.variant.script(**options)

    # --- the scans ---
    def _play(self, work, driver):
        before = driver.ask("stats")
        driver.open()
        warm = [cell for cell in self.cells if cell.variant.warm]
        self._warm(work, driver, warm)
        answers = driver.scan_all(self._line(work, cell) for cell in self.cells)
        driver.ask("close")
        after = _settled(driver, before)
        complaint = driver.end()
        if complaint:
            self._complain(None, complaint)
        # Fewer descriptors mean that somebody's was closed; fewer threads only that one was just
        # ending when they were counted first.
        if after["fds"] != before["fds"] or after["threads"] > before["threads"]:
            self._complain(None, f"before: {before}, after: {after}")
        self._complain(None, *(f"left behind: {path}" for path in work.temp.rglob("*")))
        self._verify_audit(work)
        for cell in self.cells:
            self._judge(cell, answers.get(cell.engine))

    def _line(self, work, cell):
        engines = cell.engine + (",healthy" if cell.role == "optional" else "")
        verb = ("path", "fd", "memory")[cell.number % 3]
        return f"{verb} {work.path}/{cell.file} tag={cell.engine} engines={engines}"

    def _warm(self, work, driver, warm):
        answers = driver.scan_all(self._line(work, cell) for cell in warm)
        for cell in warm:
            entry = _entry(cell, answers[cell.engine]["report"])
            fault = self.scripts[cell].fault
            if fault.struck:  # it begins with this scan, but is meant for the next
                self._complain(cell, *_entry_complaints(cell, entry))
                if not fault.ended.wait(10):
                    self._complain(cell, "the fault did not end")
            elif entry["outcome"] != cell.content:
                self._complain(cell, f"the first, honest scan: {entry}")

    def _verify_audit(self, work):
        ran = subprocess.run([SCANBRIDGE, "--config", work.config, "audit", "verify"],
                             capture_output=True, timeout=60, check=False)
        if ran.returncode:
            self._complain(None, f"audit verify: {ran.stdout!r} {ran.stderr!r}")

    # --- the judgement ---
    def _judge(self, cell, answer):
        if answer is None or "report" not in answer:
            self._complain(cell, f"no report: {answer}")
            return
        report = answer["report"]
        entry = _entry(cell, report)
        # In a crowd the server may have been late, and not the engine.
        late = entry["outcome"] == "error" and entry["error"]["kind"] == "timeout"
        self._complain(cell, *_entry_complaints(cell, entry), late=late)
        self._complain(cell, *_report_complaints(cell, report))
        self._complain(cell, *self._server_complaints(cell), late=late)
        if answer["elapsed_ms"] > TIMEOUT_MS + GRACE_MS:
            self._complain(cell, f"lasted {answer['elapsed_ms']} ms", late=True)

    def _server_complaints(self, cell):
        if cell not in self.listeners:
            return
        if self.scripts[cell].fault.struck == 0 and self.scripts[cell].counts:
            yield f"the fault was never met: {self.listeners[cell].requests()}"
        wanted = cell.transport.removeprefix("icap-").split("-")[0].upper().encode()
        scans = {request for request in self.listeners[cell].requests()
                 if request in (b"FILDES", b"INSTREAM", b"RESPMOD", b"REQMOD")}
        if scans and wanted not in scans:
            yield f"asked {scans}, not {wanted}"


class Stage(Crowd):
    """A crowd whose cells play a situation, in step."""

    def __init__(self, group):
        super().__init__(group)
        self.situation = group[0].situation
        self.armed = False
        self.requests = {}
        self.work = self.driver = self.begun = None

    def strike(self, on):
        """From now on the fault is there, or isn't."""
        self.armed = on

    def _prepare(self, work, server):
        self.engines = [self._engine(cell, self.situation.addresses(
            self._address(work, server, cell), lambda: server.listen_unix(
                f"{work.path}/well{len(server.listeners)}.sock", Clamd()).address))
            for cell in self.cells]
        work.configure(self.engines + [{"name": "healthy", "type": "mock"}], self.situation.cache)
        for cell in self.cells:
            for number in range(len(situations.FILES)):
                (work.path / cell.file(number)).write_bytes(content(cell.file(number)))

    def _engine(self, cell, addresses):
        return super()._engine(cell, None) | self.situation.settings() | {"address": addresses}

    def _script(self, cell):
        return cell.variant.script(armed=lambda *_: self.armed,
                                   fildes=cell.transport.startswith("fildes"))

    def _play(self, work, driver):
        self.work, self.driver = work, driver
        before = driver.ask("stats")
        driver.open()
        self.begun = time.monotonic()
        self.situation.play(self)
        driver.ask("close")
        after = _settled(driver, before)
        complaint = driver.end()
        if complaint:
            self._complain(None, complaint)
        if after["fds"] != before["fds"] or after["threads"] > before["threads"]:
            self._complain(None, f"before: {before}, after: {after}")
        self._complain(None, *(f"left behind: {path}" for path in work.temp.rglob("*")))
        self._verify_audit(work)

    # --- what a situation does ---
    def _asked(self):
        return {cell: sum(request in (b"FILDES", b"INSTREAM")
                          for request in self.listeners[cell].requests()) for cell in self.cells}

    def round(self, expected, file=0, times=1, cached=None):
        """Every cell's content once, or several times at once, and what comes of it."""
        self.requests = self._asked()
        answers = self.driver.scan_all(
            f"path {self.work.path}/{cell.file(file)} tag={cell.engine}.{n} engines={cell.engine}"
            + (",healthy" if cell.role == "optional" else "")
            for cell in self.cells for n in range(times))
        for cell in self.cells:
            for n in range(times):
                answer = answers.get(f"{cell.engine}.{n}", {})
                if "report" not in answer:
                    self._complain(cell, f"no report: {answer}")
                    continue
                report, judged = answer["report"], cell.expecting(expected(cell))
                self._complain(cell, *_entry_complaints(judged, _entry(cell, report)))
                self._complain(cell, *_report_complaints(judged, report))
                if cached is not None and _entry(cell, report).get("cached") != cached:
                    self._complain(cell, f"cached is not {cached}")
                if answer["elapsed_ms"] > situations.PATIENCE_MS + GRACE_MS:
                    self._complain(cell, f"lasted {answer['elapsed_ms']} ms", late=True)

    def asked_nobody(self):
        """In the last round."""
        for cell, count in self._asked().items():
            if count != self.requests[cell]:
                self._complain(cell, "the engine was asked")

    def counter(self, name, value):
        for cell in self.cells:
            found = self.driver.ask(f"breaker {cell.engine}")[name]
            if found != value:
                self._complain(cell, f"{name}: {found}, not {value}")

    def await_half_open(self):
        give_up = time.monotonic() + 60
        for cell in self.cells:
            while (state := self.driver.ask(f"breaker {cell.engine}")["breaker"]) == "open" \
                    and time.monotonic() < give_up:
                pass
            if state != "half_open":
                self._complain(cell, f"the breaker is {state}")


def _settled(driver, wanted):
    """What the process holds. A joined thread may stand in /proc for a moment longer."""
    give_up = time.monotonic() + 5
    while True:
        stats = driver.ask("stats")
        if stats["threads"] <= wanted["threads"] or time.monotonic() > give_up:
            return stats


def _entry(cell, report):
    found = [entry for entry in report["engines"] if entry["engine"] == cell.engine]
    return found[0] if len(found) == 1 else {"outcome": f"{len(found)} entries", "error": None}


def _entry_complaints(cell, entry):
    """What the engine's own entry says, against the catalogue."""
    expected = cell.variant.expected
    outcome, error = entry["outcome"], entry["error"]
    if outcome == "error":
        if not error or error["engine"] != cell.engine or not error["message"]:
            yield f"engine and cause are not named: {error}"
        elif error["kind"] not in expected.kinds:
            yield f"error {error['kind']} ({error['message']}), expected {_words(cell)}"
    elif outcome == "clean" and cell.content == "infected":
        yield f"FALSE CLEAN, expected {_words(cell)}"
    elif outcome == cell.content and expected.truth:
        if entry["coverage"]["state"] != "complete" and outcome == "clean":
            yield f"clean with coverage {entry['coverage']}"
        if outcome == "infected" and entry["threats"][0]["name"] != THREAT.decode():
            yield f"threat {entry['threats']}"
    elif outcome == "suspicious" and expected.suspicious:
        if not entry["threats"]:
            yield "suspicious for no reason"
    elif outcome == "infected" and expected.infected:
        for threat in entry["threats"]:
            if not GOOD_NAME.fullmatch(threat["name"]):
                yield f"threat name {threat['name']!r}"
    else:
        yield f"{outcome}, expected {_words(cell)}"
    if entry.get("attempts", 1) > cell.attempts:
        yield f"{entry['attempts']} attempts"


def _report_complaints(cell, report):
    """What the whole report makes of that entry."""
    entry = _entry(cell, report)
    failed = entry["outcome"] == "error"
    outcome = "clean" if failed and cell.role == "optional" else entry["outcome"]
    if report["outcome"] != outcome:
        yield f"outcome {report['outcome']} of an engine's {entry['outcome']}"
    if failed and cell.role == "required":
        error = report["error"] or {}
        if (error.get("kind"), error.get("engine")) != (entry["error"]["kind"], cell.engine):
            yield f"the report's error is {report['error']}"
        if report["action"] != "block":
            yield f"action {report['action']}"
    elif report["error"] is not None:
        yield f"an error beside {report['outcome']}: {report['error']}"
    if report["outcome"] != "clean" and report["action"] in ("allow", "allow_with_warning"):
        yield f"{report['outcome']} is allowed"


def _words(cell):
    expected = cell.variant.expected
    right = sorted(expected.kinds) + [cell.content] * expected.truth \
        + ["infected"] * expected.infected + ["suspicious"] * expected.suspicious
    return f"{' or '.join(right)}: {expected.why}"


# --- growth: many scans in one process leave nothing behind -------------------------------
def growth_cells(full):
    """Every variant that doesn't take its time, once, over changing transports."""
    chosen = [variant for catalog in CATALOGUES.values() for variant in catalog.variants()
              if variant.sample and not variant.slow and variant.size != "huge"
              and not variant.warm and variant.address != "silent"]
    group = [Cell(number, variant, variant.transports[number % len(variant.transports)],
                  variant.contents[0], "required", 1)
             for number, variant in enumerate(chosen if full else chosen[::4])]
    limit = CROWD["small"]
    return [group[start:start + limit] for start in range(0, len(group), limit)]


def run_growth(group):
    """After the first scans with each fault, more of them need no further descriptor and
    no further thread."""
    crowd = Crowd(group)
    with Workplace() as work, Server() as server:
        crowd._prepare(work, server)
        driver = Driver(work.config, work.temp)
        try:
            driver.open()
            for cell in group:
                many = f"many {work.path}/{cell.file} %d tag=x engines={cell.engine}"
                driver.ask(many % 4)
                before = driver.ask("stats")
                driver.ask(many % 12)
                after = driver.ask("stats")
                for what in ("fds", "threads"):
                    if after[what] > before[what]:
                        crowd._complain(cell, f"12 more scans: {what} {before[what]} → "
                                        f"{after[what]}")
            crowd._complain(None, *filter(None, [driver.end()]))
        except (AssertionError, OSError) as error:
            driver.kill()
            crowd._complain(None, f"{error}\n{driver.errors()}")
    return crowd.complaints


# --- all of it ----------------------------------------------------------------------------
def judge(groups, jobs):
    """Every crowd's complaints. What was only late is judged again when all others are done,
    alone: there the machine's other work is no excuse."""
    with ThreadPoolExecutor(jobs) as pool:
        complaints = [entry for result in pool.map(lambda group: _crowd(group).run(), groups)
                      for entry in result]
    late = [cell for cell, _, is_late in complaints if is_late]
    complaints = [entry for entry in complaints if not entry[2]]
    for cell in late:
        complaints += _crowd([cell]).run()
    return complaints


def _crowd(group):
    return Stage(group) if isinstance(group[0], situations.Scene) else Crowd(group)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--full", action="store_true", help="every variant")
    parser.add_argument("--sample", action="store_true", help="the short form (default)")
    parser.add_argument("--only", default="", help="cells whose name holds this text")
    parser.add_argument("--protocol", choices=CATALOGUES, help="cells of this protocol only")
    parser.add_argument("--jobs", type=int, default=3, help="driver processes at once")
    parser.add_argument("--verbose", action="store_true", help="name every cell")
    options = parser.parse_args()
    if not DRIVER.exists():
        sys.exit(f"{DRIVER} is missing: build first, or set SCANBRIDGE_BUILD")
    begun = time.monotonic()
    protocols = [options.protocol] if options.protocol else list(CATALOGUES)
    wanted = [cell for cell in cells(options.full, protocols) if options.only in str(cell)]
    scenes = [] if options.protocol else [
        scene for scene in situations.scenes(options.full) if options.only in str(scene)]
    complaints = judge(itertools.chain(crowds(wanted), situations.crowds(scenes, SCENES)),
                       options.jobs)
    wanted += scenes
    grown = [] if options.only or options.protocol else growth_cells(options.full)
    for group in grown:
        complaints += run_growth(group)
    failed = {}
    for cell, text, _ in complaints:
        failed.setdefault(str(cell or "the process"), []).append(text)
    for cell in wanted if options.verbose else ():
        if str(cell) not in failed:
            print(f"ok {cell}")
    for name, texts in failed.items():
        print(f"FAILED {name}: {'; '.join(dict.fromkeys(texts))}")
    print(f"{len(wanted) + sum(map(len, grown))} cells, {len(failed)} failed, "
          f"{time.monotonic() - begun:.0f} s")
    return 1 if failed or not wanted else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except subprocess.TimeoutExpired as error:
        sys.exit(f"gave up: {error}")
