#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""R27: dead options: read, documented, and looked at by nobody.

Every key of the configuration that this build knows stands here with two scans that it makes
differ, or with the test that shows it, or is refused by name. A new key without a row fails."""
import os
import re
import resource
import shutil
import signal
import subprocess
import threading
import unittest
import zipfile

import icap_rows
from accounts import (account, attempt, because, changes, covered, engine, later, member,
                      traced, verdict, verdict_of)
from regressions import CLEAN, Case, On, clamav, mock
from support import surface
from support.harness import BUILD, samples, yara

HOOKS = BUILD / "src/worker/scanbridge-worker-hooks"
BAD = {"engines": engine(default="infected:Bad.Thing")}
ODD = {"engines": engine(default="suspicious:Odd.Thing")}
OFFERED = surface.config_keys()
# Parts of the program that a build may leave out, with their keys.
PARTS = ("engines.breaker.", "yara.", "clamd.", "hashlist.", "mock.", "virustotal.", "command.",
         "icap.", "plugin.")
IN_PLUGINS = "tests/scenarios/test_plugin.py"
WEIGHTED = {"strategy": "weighted", "threshold": 2.0}
HASTY = [mock(default="infected:A"), mock("two", latency="1s")]
LISTED = "infected quarantine Blocklist.Match"
# What yara says of clean content counts for less: that is min_assurance's own row.
RULES = {"engines": [yara()], "decision": {"min_assurance": "rules"}}
OWN_RULES = {"engines": [yara(rules="own.yar")], "decision": {"min_assurance": "rules"}}


# --- What is looked at ---------------------------------------------------------------------
def limit_named(path):
    """The key under `containers` that the error's message names."""
    def look(case):
        error = case.scan(path).report["error"]
        return error and re.search(r"max_\w+", error["message"])[0]
    return look


def in_pieces(size):
    return verdict_of("-", stdin=b"x" * size)


def at_once(case):
    """Two scans submitted at the same time, by the library."""
    answers = case.driver().scan_all([f"path {case.folder}/note.txt tag={n}" for n in range(2)])
    reports = [answer["report"] for answer in answers.values()]
    return sorted(r["error"]["kind"] if r["error"] else r["outcome"] for r in reports)


def pinned_while_written(case):
    """Whether a large file that somebody has open for writing can be kept from changing."""
    path = case.write("large", bytes(17 << 20))
    with open(path, "r+b"):
        return case.scan("large").report["file"]["pinned"]


def logs(case):
    case.scan("note.txt")
    return sorted(str(path.relative_to(case.folder)) for path in case.folder.rglob("*.jsonl"))


def flushes(case):
    """Whether a scan forces its records to disk."""
    return any("sync(" in line for line in traced(case, "fdatasync,fsync", "scan", "note.txt"))


def workers(case, **settings):
    """How many worker processes 60 files see."""
    case.use({"engines": [yara(rules="own.yar", concurrency=2, **settings)]})
    for number in range(60):
        case.write(f"in/{number}", os.urandom(200_000))
    return sum("clone" in line and "CLONE_THREAD" not in line and "CLONE_VM" not in line
               for line in traced(case, "clone,clone3,fork", "scan", "in"))


def recycled(case):
    """Three processes at most, or one for every content."""
    case.assertLess(workers(case, recycle=0), 10)
    case.assertGreater(workers(case, recycle=1), 10)


def reserved(case):
    """Whether the log has disk beyond its end."""
    case.scan("note.txt")
    info = (case.data / "audit.jsonl").stat()
    return info.st_blocks * 512 > info.st_size + (4 << 20)


def without_log(case):
    """The verdict when the second scan's record finds no room on disk."""
    case.scan("note.txt")
    full = (case.data / "audit.jsonl").stat().st_size

    def no_room():
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (full, full))
    return verdict(case, preexec_fn=no_room)


def stored(case):
    case.scan("note.txt")
    return case.run_program("quarantine", "list", "--json").reports[0]


def files_left(case):
    """How many of two infected files are left in their place."""
    for number in range(2):
        case.write(f"in/{number}", b"%d" % number)
    case.scan("--jobs", "1", "in")
    return len(os.listdir(case.folder / "in"))


def restored(case):
    case.scan("note.txt")
    (case.folder / "back").mkdir(exist_ok=True)
    (case.folder / "back/note.txt").unlink(missing_ok=True)
    kept, = case.run_program("quarantine", "list", "--json").reports
    return case.run_program("quarantine", "restore", "--to", "back", "--force", "--reason", "r",
                            kept["id"]).status


def key_made(case):
    case.scan("note.txt")
    return [name for name in ("own.key", "data/quarantine/key") if (case.folder / name).exists()]


def deed(case):
    """Whether a worker that opens a socket dies of its sandbox."""
    case.write("deed", b"hook: socket\n")
    result = case.scan("deed", env=case.environment() | {"SCANBRIDGE_WORKER": str(HOOKS)})
    return "SIGSYS" in result.report["error"]["message"]


def shown(case):
    return "why it is there" in case.run_program("config", "show").text


def self_test(case):
    return case.run_program("engines", "--check").status


def again(case):
    """Whether a second scan, by another process, comes from the cache."""
    case.scan("note.txt")
    return case.scan("note.txt").report["cached"]


def again_here(case):
    """The same by one process."""
    program = case.driver()
    return [program.scan(f"path {case.folder}/note.txt")["cached"] for _ in range(2)][1]


def tried_again(case):
    """Whether one of 30 failures was tried again."""
    for number in range(30):
        case.write(f"many/{number}", b"%d" % number)
    reports = case.scan("--jobs", "30", "many").reports
    return any(report["engines"][0]["attempts"] > 1 for report in reports)


def took_half_a_second(case):
    return case.scan("note.txt").report["duration_ms"] >= 500


def outcomes(count):
    """Of so many scans one after the other."""
    def look(case):
        program = case.driver()
        reports = [program.scan(f"path {case.folder}/note.txt") for _ in range(count)]
        return [r["error"]["kind"] if r["error"] else r["outcome"] for r in reports]
    return look


# --- A scripted clamd -----------------------------------------------------------------------
def asking(look, gives, was, tcp=False, faults=None, before=None, **settings):
    """The same for the engine clamd: look(case, listener) after two scans."""
    def row(case):
        for given, wanted in ((before or {}, was), ((before or {}) | settings, gives)):
            listener = case.fake_clamd(tcp=tcp, fault=On(**(faults or {})))
            case.use({"engines": [clamav(listener.address, **given)]})
            case.write("more", b"x" * 100000)
            case.scan("--jobs", "1", "note.txt", "more", status=0)
            case.assertEqual(look(case, listener), wanted, given)
    return row


def connections(_case, listener):
    """How many of them were used for contents."""
    return sum(bool({b"FILDES", b"INSTREAM"} & set(peer.requests)) for peer in listener.peers)


def commands(_case, listener):
    return sorted({word.decode() for word in listener.requests()} & {"FILDES", "INSTREAM"})


def pieces(case):
    """The largest chunk of a stream that clamd is sent."""
    for given, wanted in (({}, 65536), ({"chunk_size": 1000}, 1000)):
        sizes = []
        listener = case.fake_clamd(fildes=False, fault=On(
            uploading=lambda peer, request, chunk, size, sizes=sizes: sizes.append(size)))
        case.use({"engines": [clamav(listener.address, **given)]})
        case.write("more", b"x" * 100000)
        case.scan("more", status=0)
        case.assertEqual(max(sizes), wanted)


def addresses(case):
    """Two replicas, of which only the one that is configured may be asked."""
    for number in ([0], [1], [0, 1]):
        listeners = [case.fake_clamd() for _ in range(2)]
        case.use({"engines": [clamav([listeners[n].address for n in number])]})
        case.scan("note.txt", status=0)
        case.assertEqual([len(each.requests()) > 0 for each in listeners],
                         [number[0] == 0, number[0] == 1])


def old_signatures(case):
    """Signatures of the year 2020, and how old they may be."""
    listener = case.fake_clamd(fault=On(version=lambda peer, line: peer.send(
        line.replace(b"2026", b"2020"))))
    for given, wanted in (({}, "clean allow"),
                          ({"max_signature_age": "30d"}, "error block engine_unavailable")):
        case.use({"engines": [clamav(listener.address, **given)]})
        case.assertEqual(verdict(case), wanted)


def at_the_same_time(case):
    """`concurrency`: never more calls than that; and with two, two meet in the engine."""
    for allowed in (1, 2):
        inside, met, most = [], threading.Event(), []

        def reply(peer, request, inside=inside, met=met, most=most, allowed=allowed):
            inside.append(1)
            most.append(len(inside))
            if len(inside) > 1:
                met.set()
            met.wait(0.1 if allowed == 1 else 30)
            inside.pop()
            peer.send(request.line())
        listener = case.fake_clamd(fault=On(reply=reply))
        case.use({"engines": [clamav(listener.address, concurrency=allowed)]})
        for number in range(4):
            case.write(f"in/{number}", b"%d" % number)
        case.scan("--jobs", "4", "in", status=0)
        case.assertEqual(max(most), allowed)


def connecting(case):
    """Nobody accepts at the first address; there is time for the second one, or there is not."""
    silent, honest = case.server.silent_tcp(), case.fake_clamd().address
    for given, wanted in (("50ms", "clean allow"), ("60s", "error block timeout")):
        case.use({"engines": [clamav([silent, honest], connect_timeout=given, timeout="1s")]})
        case.assertEqual(verdict(case), wanted)


# --- Lists, containers, a mock's answers ------------------------------------------------------
def listed(gives, was, look=None, before=None, **keys):
    """A list beside an engine that finds everything clean."""
    def sections(given):
        return {"engines": [mock(), {"name": "list", "type": "hashlist"} | given]}
    return changes(gives, was, look, sections(before or {}), **sections((before or {}) | keys))


def opened(named, path, was=None, **keys):
    return changes(named, was, limit_named(path), RULES, containers=keys)


def answered(case):
    """`responses`: by content."""
    digest = case.run_program("hash", "note.txt").text.split()[0]
    mocked("infected quarantine By.Hash", responses=[f"{digest}=infected:By.Hash"])(case)
    mocked("clean allow", responses=[f"{digest[::-1]}=infected:By.Hash"])(case)


# --- Votes and breakers ----------------------------------------------------------------------
def voting(gives, was, second=None, before=None, **keys):
    """One engine finds something, the other nothing; keys of `decision`, or of the first."""
    def sections(decision, first):
        return {"engines": [mock(default="infected:A", **first), mock("two")],
                "decision": decision}
    first, then = (before or {}), (before or {}) | keys
    if second is not None:
        return changes(gives, was, outcome, sections(first, {}), **sections(first, second))
    return changes(gives, was, outcome, sections(first, {}), **sections(then, {}))


def outcome(case):
    return case.scan("note.txt").report["outcome"]


def asked(case):
    """What became of the engine that is not needed any more."""
    return case.entry(case.scan("note.txt").report, "two")["outcome"]


def breaker(gives, was, look, before=None, engine_keys=None, **keys):
    """Keys of a breaker, in a build that has one."""
    def sections(keys):
        first = mock(retry={"attempts": 1}, breaker=keys, **(
            engine_keys or {"default": "error:engine_unavailable"}))
        return {"engines": [first, mock("pace", latency="50ms", role="optional")]}
    return later(changes(gives, was, look, sections(before or {}),
                         **sections((before or {}) | keys)),
                 engines=engine(breaker={"preset": "default"}))


def refused_in(count):
    """Whether the breaker turns away one of so many scans, each of them 50 ms after another."""
    def look(case):
        program = case.driver()
        reports = [program.scan(f"path {case.folder}/note.txt") for _ in range(count)]
        return "circuit_open" in [(case.entry(report, "mock")["error"] or {}).get("kind")
                                  for report in reports]
    return look


def state_after(count):
    def look(case):
        program = case.driver()
        for _ in range(count):
            program.scan(f"path {case.folder}/note.txt")
        return program.ask("breaker mock")["breaker"]
    return look


def probes(case):
    """How many of two scans at once are let through when it is time to try again."""
    program = case.driver()
    program.scan(f"path {case.folder}/note.txt")
    answers = program.scan_all([f"path {case.folder}/note.txt tag={n}" for n in range(2)])
    return sum(case.entry(answer["report"], "mock")["error"] is None
               for answer in answers.values())


def not_asked(case):
    """Whether the second of two engines was left in peace."""
    return case.entry(case.scan("note.txt").report, "two").get("not_asked", False)


def limited(case):
    """What becomes of the second of two scans, each of them in a process of its own."""
    shutil.rmtree(case.data, ignore_errors=True)
    return [verdict(case, "--no-cache", "note.txt") for _ in range(2)][1]


GOOD_AGAIN = {"schedule": "x.........", "latency": "200ms"}
MOSTLY_BAD = {"schedule": "xx."}
SHORT = {"failure_threshold": 1, "open": "20ms"}


# --- The rows ------------------------------------------------------------------------------
def covered_by(name, *words):
    return covered(f"tests/regressions/{name}", *words)


def spawned(*words):
    return covered("tests/scenarios/test_spawn.py", *words)


def of_type(type_name, **keys):
    return later(engines=[{"name": "x", "type": type_name} | keys])


def vt(word):
    return covered("tests/scenarios/test_virustotal.py", word)


def listener(**keys):
    return later(listeners=[{"type": "http", "address": "127.0.0.1:8080"} | keys])


def scanner(gives, was, text, look=None, before=None, **keys):
    """An engine of type command whose scanner is a shell script; in a build that has it."""
    def row(case):
        path = case.write("scanner", b"#!/bin/sh\n" + text.encode())
        path.chmod(0o755)

        def sections(given):
            filled = {"argv": ["scanner", "{}"]} | given
            filled["argv"] = [str(path), *filled["argv"][1:]]
            return {"engines": engine("command", self_test="off", retry={"attempts": 1}, **filled)}
        later(changes(gives, was, look, sections(before or {}),
                      **sections((before or {}) | keys)),
              engines=[{"name": "x", "type": "command", "argv": ["a", "{}"]}])(case)
    return row


def own_network():
    return os.readlink("/proc/self/ns/net")


def version_told(case):
    return case.scan("note.txt").report["engines"][0]["engine_version"]


def ignoring(**keys):
    entry = {"threat": "Bad.Thing", "until": "2999-01-01", "reason": "why it is there"} | keys
    return {"decision": {"ignore": [entry]}}


def rules(*entries):
    return {"policy": {"preset": "default", "rules": list(entries)}}


def rule(then="block", **keys):
    return {"id": "one", "when": {"outcome": "clean"}, "then": then} | keys


def failing(retry, timeout="9s"):
    return {"engines": engine(default="error:connection_failed", timeout=timeout, concurrency=64,
                              breaker={"preset": "off"},
                              retry={"initial": "1ms", "jitter": False} | retry)}


def tries(gives, was, before, **keys):
    """How often a failing engine is asked: never when the wait would end behind its time."""
    return changes(gives, was, member("engines", 0, "attempts"), failing(before),
                   **failing(before | keys))


# Its wait is too long by a fifth; jitter may make it half as long.
LATE = {"attempts": 2, "initial": "360ms"}


def mocked(gives, was="clean allow", look=None, before=None, **keys):
    return changes(gives, was, look, {"engines": engine(**(before or {}))},
                   engines=engine(**((before or {}) | keys)))


TOP = {
    "data_dir": changes(["other/audit.jsonl"], ["data/audit.jsonl"], logs, data_dir="other"),
    "user": later(user="nobody"),
    "hashes": changes(True, False, lambda case: "md5" in case.scan("note.txt").report["file"],
                      hashes=["md5"]),
    "mime": changes("text/plain", None, member("file", "mime"), mime="always"),
    "isolation": changes(False, True, deed, OWN_RULES, isolation="none"),
    "limits.max_size": changes("error block file_too_large", limits={"max_size": 5}),
    "limits.timeout": changes("error block timeout", before={"engines": engine(latency="300ms")},
                              limits={"timeout": "30ms"}),
    "limits.max_in_flight": changes(["clean", "overloaded"], ["clean", "clean"], at_once,
                                    {"engines": engine(latency="500ms")},
                                    limits={"max_in_flight": 1}),
    "limits.spool_memory": changes("error block overloaded", look=in_pieces(1_000_000),
                                   before={"limits": {"spool_disk": 0}},
                                   limits={"spool_disk": 0, "spool_memory": "64KiB"}),
    "limits.spool_disk": changes("error block overloaded", look=in_pieces(20_000_000),
                                 limits={"spool_disk": 0}),
    "limits.copy_unpinned": changes(True, False, pinned_while_written,
                                    limits={"copy_unpinned": True}),
}
ENGINES = {
    "engines.name": mocked("other", "mock", member("engines", 0, "engine"), name="other"),
    "engines.type": changes("yara", "mock", member("engines", 0, "type"), engines=[yara()]),
    "engines.role": changes(
        "clean allow", "error block io",
        before={"engines": engine(default="error:io") + [mock("other")]},
        engines=engine(default="error:io", role="optional") + [mock("other")]),
    "engines.timeout": mocked("error block timeout", before={"latency": "300ms"}, timeout="30ms"),
    "engines.max_size": mocked("error block file_too_large", max_size=5),
    "engines.concurrency": at_the_same_time,
    "engines.tier": changes(True, False, not_asked, {"engines": [mock(), mock("two")]},
                            engines=[mock(), mock("two", tier=2)]),
    "engines.weight": later(voting("infected", "suspicious", {"weight": 2}, WEIGHTED),
                            engines=engine(weight=2)),
    "engines.veto": later(voting("infected", "suspicious", {"veto": True}, WEIGHTED),
                          engines=engine(veto=True)),
    "engines.heuristics": mocked("infected quarantine Heuristics.X",
                                 "suspicious require_manual_review Heuristics.X",
                                 before={"default": "infected:Heuristics.X"},
                                 heuristics="infected"),
    "engines.self_test": mocked(1, 0, self_test, self_test="eicar"),
    "engines.max_signature_age": old_signatures,
    "engines.isolation": changes(False, True, deed, OWN_RULES,
                                 engines=[yara(rules="own.yar", isolation="none")]),
    "engines.fallback_on": later(
        covered_by("test_r22_fallback.py", "fallback_on"), engines=engine(fallback_on="open")),
    "engines.on_open": later(
        covered_by("test_r11_fail_open.py", "on_open"), engines=engine(on_open="fail_open")),
    "engines.retry.attempts": tries(2, 3, {}, attempts=2),
    "engines.retry.initial": tries(1, 3, {"max": "1h"}, initial="20s"),
    "engines.retry.max": tries(3, 1, {"initial": "20s", "max": "1h"}, max="1ms"),
    "engines.retry.multiplier": tries(2, 3, {"initial": "100ms", "max": "1h", "multiplier": 1},
                                      multiplier=100),
    "engines.retry.jitter": changes(True, False, tried_again, failing(LATE, "300ms"),
                                    **failing(LATE | {"jitter": True}, "300ms")),
    "engines.breaker.preset": breaker(True, False, refused_in(6), {"preset": "off"},
                                      preset="default"),
    "engines.breaker.failure_threshold": breaker(True, False, refused_in(3), failure_threshold=2),
    "engines.breaker.failure_rate": breaker(False, True, refused_in(7), {"minimum_calls": 4},
                                            MOSTLY_BAD, failure_rate=0),
    "engines.breaker.minimum_calls": breaker(True, False, refused_in(7), {}, MOSTLY_BAD,
                                             minimum_calls=4),
    "engines.breaker.window": breaker(False, True, refused_in(7), {"minimum_calls": 4}, MOSTLY_BAD,
                                      window="10ms"),
    "engines.breaker.slow_call": breaker(True, False, refused_in(6), {"minimum_calls": 4},
                                         {"latency": "20ms"}, slow_call="1ms"),
    "engines.breaker.success_threshold": breaker("closed", "half_open", state_after(2),
                                                 SHORT | {"success_threshold": 3}, GOOD_AGAIN,
                                                 success_threshold=1),
    "engines.breaker.open": breaker(False, True, refused_in(2), {"failure_threshold": 1},
                                    open="20ms"),
    "engines.breaker.max_open": breaker(False, True, refused_in(6), SHORT, max_open="20ms"),
    "engines.breaker.half_open_probes": breaker(2, 1, probes, SHORT, GOOD_AGAIN,
                                                half_open_probes=2),
    "engines.quota.per_minute": mocked("error block rate_limited", look=limited,
                                       before={"timeout": "1s"}, quota={"per_minute": 1}),
    "engines.quota.per_day": mocked("error block rate_limited", look=limited,
                                    before={"timeout": "1s"}, quota={"per_day": 1}),
}
TYPES = {
    "yara.rules": changes("infected quarantine Needle", look=verdict_of("needle"), before=RULES,
                          **OWN_RULES),
    "yara.bundles": covered("tests/scenarios/test_bundles.py", "bundles=[", "test_beside_files"),
    "yara.workers": because("below that number another process is started at once, beyond it when "
                            "one has been busy for 20 ms: only a clock can tell the two apart"),
    "yara.recycle": recycled,
    "clamd.address": addresses,
    "clamd.transport": asking(commands, ["INSTREAM"], ["FILDES"], transport="instream"),
    "clamd.chunk_size": pieces,
    "clamd.connect_timeout": connecting,
    "clamd.pool": asking(connections, 2, 1, pool=False),
    "clamd.session_max": asking(connections, 2, 1, session_max=1000),
    "clamd.spawn.program": spawned("test_wrong_programs"),
    "clamd.spawn.database": spawned("test_freshclam_fills_our_own", '"database": None'),
    "clamd.spawn.update": spawned("test_off_follows_nothing", '"update": "off"'),
    "clamd.spawn.freshclam": spawned("test_freshclam_fills_our_own", '"freshclam": freshclam'),
    "clamd.spawn.interval": spawned("test_freshclam_fills_our_own", '"interval": "1s"'),
    "clamd.spawn.temporary": spawned("test_temporary_folder"),
    "clamd.spawn.user": spawned("test_it_is_somebody_else_when_we_are_root", '"user": "nobody"'),
    "clamd.spawn.start_timeout": spawned("test_one_that_hangs", '"start_timeout": "100ms"'),
    "hashlist.block": listed(LISTED, "clean allow", block="list"),
    "hashlist.allow": listed("clean", "error", member("engines", 1, "outcome"), allow="list"),
    "hashlist.members": listed("clean allow", LISTED, verdict_of("note.zip"), {"block": "list"},
                               members=False),
    "mock.responses": answered,
    "mock.default": mocked("infected quarantine A", default="infected:A"),
    "mock.latency": mocked(True, False, took_half_a_second, latency="500ms"),
    "mock.fail_every": mocked(["clean", "io"], ["clean", "clean"], outcomes(2),
                              {"fail_kind": "io"}, fail_every=2),
    "mock.fail_kind": mocked("error block io", "error block encrypted",
                             before={"fail_every": 1, "fail_kind": "encrypted"}, fail_kind="io"),
    "mock.schedule": mocked(["clean", "io", "clean"], ["clean"] * 3, outcomes(3),
                            {"fail_kind": "io"}, schedule=".x"),
    "mock.content": mocked("unknown", "inspected", member("engines", 0, "coverage", "content"),
                           content="unknown"),
    "command.preset": scanner("infected quarantine A.B", "infected quarantine Unnamed.Detection",
                              'echo "$1: A.B FOUND"; exit 1', preset="clamscan"),
    "command.argv": scanner("infected quarantine Unnamed.Detection", "clean allow",
                            '[ "$2" != bad ]', argv=["", "{}", "bad"]),
    "command.input": scanner("clean allow", "infected quarantine Unnamed.Detection",
                             'case $1 in /proc/*) exit 0; esac; exit 1', input="descriptor"),
    "command.keep_extension": scanner("infected quarantine Unnamed.Detection", "clean allow",
                                      'case $1 in *.txt) exit 1; esac', keep_extension=True),
    "command.output": scanner("infected quarantine A.B", "clean allow",
                              'echo \'{"def_time":1,"scan_result_i":1,"threat_found":"A.B"}\'',
                              output="json"),
    "command.clean_exit": scanner("clean allow", "error block protocol_error", "exit 9",
                                  clean_exit=[9]),
    "command.infected_exit": scanner("infected quarantine Unnamed.Detection",
                                     "error block protocol_error", "exit 9", infected_exit=[9]),
    "command.suspicious_exit": scanner("suspicious require_manual_review Unnamed.Detection",
                                       "error block protocol_error", "exit 9",
                                       suspicious_exit=[9]),
    "command.unsupported_exit": scanner("error block unsupported", "error block protocol_error",
                                        "exit 9", unsupported_exit=[9]),
    "command.error_exit": scanner("error block engine_unavailable", "error block protocol_error",
                                  "exit 9", error_exit=[9]),
    "command.threat_pattern": scanner("infected quarantine A.B",
                                      "infected quarantine Unnamed.Detection",
                                      "echo found: A.B; exit 1", threat_pattern="found: (.*)"),
    "command.version_command": scanner("seven", "", "exit 0", version_told,
                                       version_command=["echo", "seven"]),
    "command.environment": scanner("infected quarantine Unnamed.Detection", "clean allow",
                                   '[ "$X" != y ]', environment=["X=y"]),
    "command.sandbox": scanner("clean allow", "infected quarantine Unnamed.Detection",
                               '! touch "$1.x"', before={"sandbox": "none"}, sandbox="bwrap"),
    "command.network": scanner("clean allow", "infected quarantine Unnamed.Detection",
                               f'[ "$(readlink /proc/self/ns/net)" = "{own_network()}" ]',
                               before={"sandbox": "bwrap"}, network=True),
    "command.max_output": scanner("error block protocol_error", "clean allow",
                                  "head -c 5000 /dev/zero", max_output="4KiB"),
    "command.max_processes": scanner("infected quarantine Unnamed.Detection", "clean allow",
                                     '! grep -q "Max processes *4321 " /proc/self/limits',
                                     max_processes=4321),
    "virustotal.api_key_file": vt("test_key_files"),
    "virustotal.base_url": vt('"base_url": self.vt.base'),
    "virustotal.ca_file": vt("test_certificates_are_checked"),
    "virustotal.upload": vt("test_always_asks_anew_unless_it_is_infected"),
    "virustotal.min_detections": vt('"min_detections": 2'),
    "virustotal.min_voters": vt('"min_voters": 9'),
    "virustotal.max_age": vt('"max_age": "92d"'),
    "virustotal.vendor_weights": vt("test_weights"),
    "virustotal.poll_interval": vt("test_the_interval_decides_when_to_look"),
    "plugin.path": covered(IN_PLUGINS, "test_eicar_and_benign", "test_what_is_no_file"),
    "plugin.settings": covered(IN_PLUGINS, "test_they_arrive",
                               "test_mistakes_are_told_with_their_place"),
    "plugin.workers": because("as with yara"),
    "plugin.recycle": covered(IN_PLUGINS, "test_recycle"),
    "plugin.open_timeout": covered("tests/faults/test_plugin.py", "open_timeout",
                                   "did not come up in 0.3 s"),
} | icap_rows.ROWS
CONTAINERS = {
    "containers.max_depth": opened("max_depth", "nested.zip", max_depth=1),
    "containers.max_members": opened("max_members", "three.zip", max_members=2),
    "containers.max_size": opened("max_size", "three.zip", max_size="64KiB"),
    "containers.max_member": opened("max_member", "three.zip", max_member=1000),
    "containers.max_memory": opened("max_memory", "nested.zip", max_member=60000,
                                    max_memory=80000),
    "containers.max_ratio": opened(None, "zeros.zip", was="max_ratio", max_ratio=1000000),
    "containers.passwords": changes("clean allow", "error block encrypted",
                                    verdict_of("locked.zip"), RULES,
                                    containers={"passwords": ["secret"]}),
}
DECISION = {
    "decision.strategy": later(voting("suspicious", "infected", strategy="all"),
                               decision={"strategy": "all"}),
    "decision.quorum": later(voting("suspicious", "infected", None,
                                    {"strategy": "quorum", "quorum": 1}, quorum=2),
                             decision={"quorum": 2}),
    "decision.threshold": later(voting("infected", "suspicious", None, WEIGHTED, threshold=1.0),
                                decision={"threshold": 2.0}),
    "decision.min_engines": changes("error block not_configured", decision={"min_engines": 2}),
    "decision.min_assurance": changes("clean allow", "clean allow_with_warning",
                                      before={"engines": [yara()]},
                                      decision={"min_assurance": "rules"}),
    "decision.next_tier": changes(False, True, not_asked,
                                  {"engines": [mock(), mock("two", tier=2)]},
                                  decision={"next_tier": "unless_infected"}),
    "decision.early_decision": later(
        changes("error", "clean", asked, {"engines": HASTY}, engines=HASTY,
                decision={"early_decision": True}), decision={"early_decision": True}),
    "ignore.engine": changes("infected quarantine Bad.Thing", before=BAD | ignoring(),
                             **ignoring(engine="other")),
    "ignore.threat": changes("infected quarantine Bad.Thing", before=BAD | ignoring(),
                             **ignoring(threat="Other.Thing")),
    "ignore.until": changes("infected quarantine Bad.Thing", before=BAD | ignoring(),
                            **ignoring(until="2020-01-01")),
    "ignore.reason": changes(True, False, shown, BAD | ignoring(reason="x"), **ignoring()),
}
POLICY = {
    "policy.preset": changes("infected allow_with_warning Bad.Thing",
                             "infected quarantine Bad.Thing", before=BAD,
                             policy={"preset": "monitor"}),
    "policy.file": changes("clean block", policy={"file": "policy.yaml"}),
    "rules.id": changes("one", "clean", member("rule", "id"), **rules(rule())),
    "rules.name": changes("Name", "", member("rule", "name"), rules(rule()),
                          **rules(rule(name="Name"))),
    # For people, like a comment: it stays with the rule.
    "rules.description": changes(True, False, shown, rules(rule()),
                                 **rules(rule(description="why it is there"))),
    "rules.priority": changes("two", "one", member("rule", "id"),
                              rules(rule(), rule(id="two")),
                              **rules(rule(), rule(id="two", priority=1))),
    "rules.enabled": changes("clean", "one", member("rule", "id"), rules(rule()),
                             **rules(rule(enabled=False))),
    "then.action": changes("clean block", before=rules(rule("allow")), **rules(rule("block"))),
    "then.reason": changes("Why.", "rule: one", member("reason"), rules(rule()),
                           **rules(rule({"action": "block", "reason": "Why."}))),
    "then.message": changes("Sorry.", None, member("message"), rules(rule()),
                            **rules(rule({"action": "block", "message": "Sorry."}))),
}
STORE = {
    "quarantine.enabled": changes(True, False, lambda case: case.scan("note.txt").report[
        "quarantine_id"] is None, BAD, quarantine={"enabled": False}),
    "quarantine.key_file": changes(["own.key"], ["data/quarantine/key"], key_made, BAD,
                                   quarantine={"key_file": "own.key"}),
    "quarantine.retention": changes(None, True, lambda case: stored(case)["expires_at"] and True,
                                    BAD, quarantine={"retention": "off"}),
    "quarantine.max_size": changes("infected block Bad.Thing quarantine_failed",
                                   "infected quarantine Bad.Thing", before=BAD,
                                   quarantine={"max_size": 10}),
    "quarantine.remove_original": changes(0, 2, files_left, BAD,
                                          quarantine={"remove_original": True}),
    "quarantine.max_per_hour": changes(1, 0, files_left,
                                       BAD | {"quarantine": {"remove_original": True}},
                                       quarantine={"remove_original": True, "max_per_hour": 1}),
    "quarantine.restore_roots": changes(2, 0, restored, BAD,
                                        quarantine={"restore_roots": ["elsewhere"]}),
    "audit.enabled": changes([], ["data/audit.jsonl"], logs, audit={"enabled": False}),
    "audit.file": changes(["data/log.jsonl"], ["data/audit.jsonl"], logs,
                          audit={"file": "log.jsonl"}),
    "audit.on_failure": changes("clean allow", "error block audit_failed", without_log,
                                {"audit": {"reserve": 0}},
                                audit={"reserve": 0, "on_failure": "allow"}),
    "audit.sync": changes(False, True, flushes, audit={"sync": "none"}),
    "audit.reserve": changes(False, True, reserved, audit={"reserve": 0}),
    "audit.sinks": later(audit={"sinks": ["stderr"]}),
    "rules.trusted_keys": covered("tests/scenarios/test_bundles.py", "trusted_keys="),
    "rules.benign": covered("tests/scenarios/test_bundles.py", "benign="),
    "cache.enabled": changes(False, True, again, {"cache": {}}, cache={"enabled": False}),
    "cache.memory": changes(False, True, again_here, {"cache": {"persistent": False}},
                            cache={"persistent": False, "memory": 0}),
    "cache.persistent": changes(False, True, again, {"cache": {}}, cache={"persistent": False}),
    "cache.ttl": changes(False, True, again, {"cache": {}}, cache={"ttl": "1ms"}),
    "listeners.type": listener(),
    "listeners.address": listener(address="127.0.0.1:8081"),
    "listeners.allow": listener(allow=["127.0.0.0/8"]),
    "listeners.mode": listener(mode="0600"),
    "listeners.owner": listener(owner="root"),
    "listeners.group": listener(group="root"),
    "listeners.trusted": listener(trusted=True),
    "listeners.on_unscanned": listener(on_unscanned="found"),
}
CONDITIONS = {
    key: covered("tests/scenarios/test_policy.py", "test_every_condition_both_ways",
                 "test_no_condition_is_left_out")
    for key in OFFERED if key.startswith(("when.", "container.", "time."))}


class Keys(Case):
    def setUp(self):
        super().setUp()
        self.write("note.txt", CLEAN)
        self.write("needle", b"a needle in the hay\n")
        self.write("own.yar", b'rule Needle { strings: $a = "needle" condition: $a }\n')
        self.write("policy.yaml", b"rules: [{id: none, when: {always: true}, then: block}]\n")
        self.write("list", subprocess.run(["sha256sum"], input=CLEAN, capture_output=True,
                                          check=True).stdout)
        self.write("note.zip", samples.zipped("note.txt", CLEAN))
        (self.folder / "elsewhere").mkdir()
        (self.folder / "back").mkdir()

    def use(self, sections):
        """A fresh start with this configuration; no answer is remembered, unless it says so:
        most rows look at what an engine does when it is asked again."""
        for folder in ("data", "other", "in", "many"):
            shutil.rmtree(self.folder / folder, ignore_errors=True)
        (self.folder / "own.key").unlink(missing_ok=True)
        self.configure(**({"cache": {"enabled": False}} | sections))

    def containers(self):
        """What only these rows need: it takes a while to make."""
        inner = samples.zipped("b", os.urandom(50000))
        self.write("nested.zip", samples.zipped("inner.zip", inner))
        self.write("zeros.zip", samples.zipped("zeros", bytes(20 << 20)))
        with zipfile.ZipFile(self.folder / "three.zip", "w") as archive:
            for number in range(3):
                archive.writestr(str(number), os.urandom(50000))
        samples.locked_zip(self.folder / "locked.zip", "secret.txt", CLEAN)

    def test_every_key_has_its_row(self):
        """R27: nothing is left out, and nothing that is gone is still accounted for."""
        account(self, OFFERED, ALL, PARTS)

    def test_general(self):
        """R27: top level and limits."""
        attempt(self, TOP, OFFERED)

    def test_engines(self):
        """R27: what every engine has."""
        attempt(self, ENGINES, OFFERED)

    def test_types(self):
        """R27: what engines of a type have."""
        attempt(self, TYPES, OFFERED)

    def test_containers(self):
        """R27: limits of what is opened, and passwords."""
        self.containers()
        attempt(self, CONTAINERS, OFFERED)

    def test_decision_and_policy(self):
        """R27: from answers to an action."""
        attempt(self, DECISION | POLICY | CONDITIONS, OFFERED)

    def test_stores(self):
        """R27: quarantine, audit, cache, listeners."""
        attempt(self, STORE, OFFERED)

    def test_unknown_keys(self):
        """R27: what is no key is refused, wherever it stands."""
        for sections in ({"sise": 1}, {"limits": {"sise": 1}}, {"containers": {"sise": 1}},
                         {"decision": {"sise": 1}}, ignoring(sise=1), {"policy": {"sise": 1}},
                         rules(rule(sise=1)), rules(rule(when={"sise": 1})),
                         rules(rule(when={"container": {"sise": 1}})),
                         rules(rule(when={"time": {"sise": 1}})),
                         rules(rule({"action": "block", "sise": 1})), {"quarantine": {"sise": 1}},
                         {"audit": {"sise": 1}}, {"cache": {"sise": 1}},
                         {"engines": engine(sise=1)}, {"engines": engine(retry={"sise": 1})},
                         {"engines": engine(breaker={"sise": 1})},
                         {"engines": [yara(sise=1)]}, {"engines": [clamav("unix:x", sise=1)]},
                         {"engines": [{"name": "x", "type": "clamd", "spawn": {"sise": 1}}]},
                         {"engines": [{"name": "x", "type": "hashlist", "sise": 1}]},
                         {"listeners": [{"type": "http", "address": "x:1", "sise": 1}]}):
            with self.subTest(sections):
                self.use(sections)
                result = self.run_program("config", "check")
                self.assertEqual(result.status, 1, str(result))
                self.assertRegex(result.errors, r"scanbridge\.yaml:\d+:\d+: .*unknown key \"sise")


ALL = TOP | ENGINES | TYPES | CONTAINERS | DECISION | POLICY | STORE | CONDITIONS

if __name__ == "__main__":
    unittest.main()
