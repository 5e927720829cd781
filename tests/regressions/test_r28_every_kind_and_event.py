#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""R28: error variants and audit events that nothing ever produced.

Every kind of error and every event is produced here by something that really happens to the
program; what later builds bring is listed, and stays on that list only as long as no source
produces it."""
import functools
import re
import resource
import signal
import unittest

from accounts import account, attempt
from regressions import CLEAN, INFECTED, Case, On, clamav, mock
from support import harness, surface
from support.harness import BUILD, ROOT, samples, yara
from support.virustotal import problem

HOOKS = BUILD / "src/worker/scanbridge-worker-hooks"


def kinds():
    """Every kind of the public header."""
    text = (ROOT / "include/scanbridge/types.h").read_text()
    found = re.findall(r"^\tSB_KIND_([A-Z_]+[A-Z])\b", text, re.M)
    return [name.lower() for name in found if name != "NONE"]


# --- A real cause for each -----------------------------------------------------------------
def scanned(*arguments, data=CLEAN, engines=None, **sections):
    """A scan of `file` ends with that kind, and its report tells class and cause."""
    def row(case, kind):
        case.configure(*(engines or []), **sections)
        case.write("file", data)
        report = case.scan(*(arguments or ["file"]), status=2).report
        case.assert_outcome(report, "error", action="block", kind=kind)
    return row


def answered(reply, tcp=False):
    """The same with a clamd that answers in these words."""
    def row(case, kind):
        listener = case.fake_clamd(tcp=tcp, fault=On(reply=lambda peer, request: peer.send(
            reply if reply.endswith(b"\0") else request.line(reply))))
        scanned(engines=[clamav(listener.address, retry={"attempts": 1})])(case, kind)
    return row


def swapped(case, kind):
    """The file is another one whenever the engine has seen it."""
    left = [b"1", b"2", b"3"]

    def reply(peer, request):
        if left:
            case.write("next", left.pop()).rename(case.folder / "file")
        peer.send(request.line())
    listener = case.fake_clamd(fault=On(reply=reply))
    scanned(engines=[clamav(listener.address)])(case, kind)


def crashed(case, kind):
    case.write("own.yar", b"rule Never { condition: false }\n")
    case.configure(yara(rules="own.yar"))
    case.write("file", b"hook: fault\n")
    report = case.scan("file", status=2, env=case.environment() | {
        "SCANBRIDGE_WORKER": str(HOOKS)}).report
    case.assert_outcome(report, "error", kind=kind, engine="yara")


def dead(case, kind):
    scanned(engines=[clamav(case.server.refusing_unix(f"{case.folder}/dead"),
                            retry={"attempts": 1})])(case, kind)


def together(case, kind):
    """A host program asks for more at once than is allowed."""
    case.configure(mock(latency="500ms"), limits={"max_in_flight": 1})
    path = case.write("file")
    answers = case.driver().scan_all([f"path {path} tag={n}" for n in range(2)])
    errors = [a["report"]["error"] for a in answers.values() if a["report"]["error"]]
    case.assertEqual([error["kind"] for error in errors], [kind])
    case.assertGreater(errors[0]["retry_after_ms"], 0)


def turned_away(case, kind):
    """A breaker that one failure opens."""
    case.configure(mock(default="error:engine_unavailable", retry={"attempts": 1},
                        breaker={"failure_threshold": 1}))
    path = case.write("file")
    program = case.driver()
    case.assert_outcome(program.scan(f"path {path}"), "error", kind="engine_unavailable")
    report = program.scan(f"path {path}")
    case.assert_outcome(report, "error", kind=kind, engine="mock")
    case.assertGreater(report["error"]["retry_after_ms"], 0)


def too_often(case, kind):
    """A second request to an engine that may be sent one a minute."""
    case.configure(mock(quota={"per_minute": 1}, timeout="1s"))
    path = case.write("file")
    case.scan("--no-cache", path, status=0)
    report = case.scan("--no-cache", path, status=2).report
    case.assert_outcome(report, "error", kind=kind, engine="mock")
    case.assertGreater(report["error"]["retry_after_ms"], 1000)


def unreadable(case, kind):
    case.configure()
    case.write("file").chmod(0)
    result = case.as_nobody("scan", "--json", "file")
    case.assert_outcome(result.report, "error", kind=kind)


def interrupted(case, kind):
    case.configure(mock(default="hang"))
    case.write("in/file")
    with harness.FolderWatch(case.folder / "in", harness.FolderWatch.OPEN) as watch:
        process = case.start("scan", "--json", "in")
        watch.wait()
    process.send_signal(signal.SIGINT)
    result = case.finish(process)
    case.assertEqual(result.status, 130, str(result))
    for report in result.reports:
        case.assert_outcome(report, "error", kind=kind, action="block")
    if not result.reports:  # interrupted before it was begun: the library's cancel tells
        case.skipTest("the scan had not begun")


def without_room(case, kind):
    """The log may not grow."""
    case.configure(audit={"reserve": 0})
    case.write("file")
    case.scan("file", status=0)
    full = (case.data / "audit.jsonl").stat().st_size

    def limit():
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (full, full))
    report = case.scan("file", status=2, preexec_fn=limit).report
    case.assert_outcome(report, "error", kind=kind, action="block")
    case.assertIsNone(report["audit_seq"])


def not_stored(case, kind):
    case.configure(mock(default="infected:A"), quarantine={"max_size": 10})
    case.write("file")
    report = case.scan("file", status=1).report
    case.assertEqual((report["outcome"], report["error"]["kind"]), ("infected", kind))


def misused(case, kind):
    """A host program hands a stream to a call that would wait for ever."""
    case.configure()
    report = case.driver().ask("blocking -")["report"]
    case.assert_outcome(report, "error", action="block", kind=kind)


def asked_elsewhere(answer):
    """A VirusTotal that answers so; a build without the engine says that it lacks it."""
    def row(case, kind):
        case.configure(case.virustotal(file=answer, retry={"attempts": 1}))
        result = case.scan(case.write("file"), status=2)
        if "virustotal" in harness.engines_built():
            case.assert_outcome(result.report, "error", action="block", kind=kind, engine="vt")
        else:
            case.assertIn("not available", result.errors)
    return row


def nested(levels):
    data = CLEAN
    for _ in range(levels):
        data = samples.zipped("inner.zip", data)
    return data


KINDS = {
    "file_too_large": scanned("--max-size", "5", "file"),
    "limit_exceeded": scanned(data=nested(4), engines=[yara()], containers={"max_depth": 2}),
    "encrypted": answered(b"Heuristics.Encrypted.Zip FOUND"),
    "corrupt": scanned(data=samples.truncated_zip(), engines=[yara()]),
    "unsupported": scanned("/dev/null"),
    "changed": swapped,
    "engine_unavailable": answered(b"Can't allocate memory ERROR"),
    "timeout": scanned(engines=[mock(default="hang", timeout="50ms")]),
    "connection_failed": dead,
    "protocol_error": answered(b"stream: FINE\0"),
    "engine_crashed": crashed,
    "authentication_failed": asked_elsewhere(lambda *_: problem(401, "WrongCredentialsError")),
    "circuit_open": turned_away,
    "rate_limited": too_often,
    "overloaded": together,
    "file_not_found": scanned("missing"),
    "io": unreadable,
    "cancelled": interrupted,
    "not_configured": scanned(decision={"min_engines": 2}),
    "audit_failed": without_room,
    "quarantine_failed": not_stored,
    "internal": misused,
}

# Events that the interface names and that no source may write before `audit show` knows them.
LATER = {"server_started", "server_stopped", "auth_failure", "audit_sealed",
         "engine_state"}


def written():
    """Events that a source of ours can write: not the lists of those that read logs."""
    code = "".join(path.read_text() for path in (ROOT / "src").rglob("*.c")
                   if not path.stem.endswith("_test")
                   and path.name not in ("ocsf.c", "cmd_audit.c", "policy_replay.c"))
    known = LATER | set(surface.words_of("audit show --event"))
    return {event for event in known if f'"{event}"' in code}


class Kinds(Case):
    def test_every_kind(self):
        """R28: each is produced, or produced by nobody."""
        account(self, kinds(), KINDS)
        attempt(self, {kind: functools.partial(row, kind=kind) for kind, row in KINDS.items()})


class Events(Case):
    def test_every_event(self):
        """R28: all that can be written is in a log after a detection, an engine that fails, an
        upload, a torn tail, a bundle that is refused and another configuration; and `audit show`
        knows it."""
        built = "virustotal" in harness.engines_built()
        self.configure(mock(default="infected:A"), mock(
            "two", default="error:engine_unavailable", role="optional", retry={"attempts": 1},
            breaker={"failure_threshold": 1}), *(
                [self.virustotal(upload="unknown", role="optional")] if built else []))
        path = self.write("file", INFECTED)
        self.scan(path, status=1)
        with open(self.data / "audit.jsonl", "ab") as log:
            log.write(b'{"seq":99,"time":"2026-')
        self.scan(path, status=1)
        self.run_program("rules", "import", path)
        self.driver().ask(f"reconfigure {self.config}")
        seen = {record["event"] for record in self.verify_audit()}
        self.assertEqual(seen, written() - (set() if built else {"content_upload"}))
        self.assertLessEqual(seen, set(surface.words_of("audit show --event")))
        for event in seen:
            shown = self.run_program("audit", "show", "--json", "--event", event)
            self.assertEqual({r["event"] for r in shown.reports}, {event})


if __name__ == "__main__":
    unittest.main()
