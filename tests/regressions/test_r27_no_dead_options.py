#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""R27: dead options, on the command line: every option of every command stands here with two runs
that it makes differ, or with the test that shows it, or with what this build lacks for it."""
import json
import shutil
import signal
import unittest

from accounts import account, attempt, covered, lacks, traced
from regressions import CLEAN, Case, mock
from support import surface
from support.harness import SCANBRIDGE, samples, yara
from support.terminal import Terminal

BAD = {"engines": [mock(default="infected:A")]}
NO_LIST = {"engines": [mock(), {"name": "list", "type": "hashlist", "block": "missing"}]}
FAR, PAST = "2999-01-01", "2001-01-01"


def differs(look, words, *more, stdin=None, **sections):
    """What `look` sees of a run is another thing with the words `more`; it must not see what
    differs from run to run. Other commands than scan find two files scanned: ID and HASH stand
    for the object of the first, if it is in quarantine, REPORT for its report."""
    def row(case):
        seen = []
        for given in (words.split(), words.split() + list(more)):
            case.begin(sections)
            known = case.scan_before() if given[0] != "scan" else {}
            given = [known.get(word, word) for word in given]
            result = case.run_program(*given, stdin=stdin)
            seen.append(look(case, result))
        case.assertNotEqual(*seen)
    return row


# --- What is looked at ---------------------------------------------------------------------
def names(_case, result):
    return sorted(report["file"]["name"] for report in result.reports)


def verdicts(_case, result):
    return [(r["outcome"], r["action"]) for r in result.reports]


def engines(_case, result):
    return [[entry["engine"] for entry in report["engines"]] for report in result.reports]


def context(_case, result):
    return [report["context"] for report in result.reports]


def error(_case, result):
    return result.reports[0]["error"] and result.reports[0]["error"]["kind"]


def in_quarantine(case, result):
    return [r["quarantine_id"] is None for r in result.reports], (case.folder / "in/one").exists()


def status(_case, result):
    return result.status


def printed(_case, result):
    return result.text


def lines(_case, result):
    return len(result.out.splitlines())


def drawn(_case, result):
    return "\r" in result.errors


def silent(_case, result):
    return result.errors == ""


def told(_case, result):
    return result.errors


def is_json(_case, result):
    return result.text.lstrip().startswith("{")


def reasons(case, _result):
    return [r["reason"] for r in case.verify_audit() if r.get("reason") == "for a test"]


def restored(case, _result):
    return sorted(path.name for path in case.folder.glob("back/*"))


# --- Rows that need more -------------------------------------------------------------------
def config(case):
    case.begin(BAD)
    case.write("other.yaml", json.dumps({"data_dir": str(case.data), "engines": [mock()]})
               .encode())
    case.scan("in/one", status=1)
    result = case.run_program("--config", "other.yaml", "scan", "in/one")
    case.assertEqual(result.status, 0, str(result))


def data_dir(case):
    case.begin({})
    case.run_program("--data-dir", "elsewhere", "scan", "in/one")
    case.assertTrue((case.folder / "elsewhere/audit.jsonl").exists())
    case.assertFalse(case.data.exists())


def jobs(case):
    """With one job a file is asked for when the one before it is done."""
    for count, together in (("1", False), ("4", True)):
        case.begin({"engines": [mock(latency="100ms", concurrency=8)]})
        spans = sorted((r["requested_at"], r["completed_at"])
                       for r in case.scan("--jobs", count, "in").reports)
        overlap = [end > start for (_, end), (start, _) in zip(spans, spans[1:])]
        case.assertEqual(any(overlap), together, spans)


def held(case):
    """`hold` keeps an object, `hold --off` lets it go."""
    case.begin(BAD)
    kept = case.scan("in/one").report["quarantine_id"]
    for words, refused in (((), 1), (("--off",), 0)):
        case.run_program("quarantine", "hold", *words, kept)
        case.assertEqual(case.run_program("quarantine", "delete", kept).status, refused)


def threads(case):
    """With one thread no other is started."""
    case.begin({})
    files = [str(case.write(f"in/{n}", bytes(100_000))) for n in range(8)]
    for count in (1, 4):
        started = traced(case, "clone,clone3", "hash", "--threads", str(count), *files)
        case.assertEqual(bool(started), count > 1, started)


def no_progress(case):
    """Drawn on a terminal, unless it is not wanted."""
    case.begin({"engines": [mock(latency="600ms")]})
    for words, wanted in ((["in"], True), (["--no-progress", "in"], False)):
        terminal = Terminal([SCANBRIDGE, "--config", case.config, "scan", *words], case.folder)
        case.addCleanup(terminal.close)
        case.assertEqual("\r\x1b[K" in terminal.finish().replace("\r\n", "\n"), wanted)


def no_cache(case):
    """What is known is asked all the same."""
    case.begin({})
    seen = [case.scan(*words, "in/one").report["cached"] for words in ((), (), ("--no-cache",))]
    case.assertEqual(seen, [False, True, False])


def rejected(case):
    case.begin({"engines": [mock(default="suspicious:A")]})
    kept = case.scan("in/one").report["quarantine_id"]
    case.run_program("quarantine", "reject", "--reason", "for a test", kept)
    case.assertEqual(reasons(case, None), ["for a test"])


def scanning(look, *more, path="in", **rest):
    return differs(look, f"scan --json {path}", *more, **rest)


def listing(*more):
    return differs(lines, "quarantine list --json", *more, **BAD)


def as_scan(name):
    """An option of `watch` that is the very row of `scan`: said once, and read by the same code."""
    return covered("src/cli/cmd_watch.c", f'{{AS_SCAN, {{.name = "{name}"}}}}')


def watched(look, *more):
    """The same for a file that `watch` finds there, until it is told to stop."""
    def row(case):
        seen = []
        for words in ((), more):
            case.begin(BAD)
            (case.folder / "in/two").unlink()
            process = case.start("watch", "--json", *words, "in")
            first = process.stdout.readline()
            process.send_signal(signal.SIGTERM)
            result = case.finish(process)
            result.out = first + result.out
            seen.append(look(case, result))
        case.assertNotEqual(*seen)
    return row


TERMINAL = "tests/scenarios/test_terminal.py"
COMMANDS = "tests/scenarios/test_command_line.py"
OPTIONS = {
    "--config": config,
    "--data-dir": data_dir,
    "--help": covered(COMMANDS, "test_every_command_has_help"),
    "--version": covered(COMMANDS, "test_version"),
    "--log-level": differs(told, "engines", "--log-level", "error", **NO_LIST),
    "--log-format": differs(told, "engines", "--log-format", "json", **NO_LIST),

    "scan --archive-password": scanning(error, "--archive-password", "secret", path="locked.zip",
                                        engines=[yara()]),
    "scan --dry-run": scanning(in_quarantine, "--dry-run", path="in/one", **BAD),
    "scan --engine": scanning(engines, "--engine", "two", engines=[mock(), mock("two")]),
    "scan --exclude": scanning(names, "--exclude", "o*"),
    "scan --file-list": scanning(names, "--file-list", "list"),
    "scan --jobs": jobs,
    "scan --json": differs(is_json, "scan in", "--json", **BAD),
    "scan --local": lacks("server", "there is none that could scan instead"),
    "scan --max-size": scanning(error, "--max-size", "5"),
    "scan --meta": scanning(context, "--meta", "key=value"),
    "scan --name": scanning(names, "--name", "letter", path="-", stdin=CLEAN),
    "scan --no-cache": no_cache,
    "scan --no-color": covered(TERMINAL, "--no-color"),
    "scan --no-progress": no_progress,
    "scan --no-quarantine": scanning(in_quarantine, "--no-quarantine", path="in/one", **BAD),
    "scan --null": scanning(names, "--null", path="--file-list nul"),
    "scan --policy": scanning(verdicts, "--policy", "monitor", **BAD),
    "scan --progress": differs(drawn, "scan in", "--progress", engines=[mock(latency="600ms")]),
    "scan --quiet": differs(silent, "scan in/one", "--quiet"),
    "scan --remove": scanning(in_quarantine, "--remove", path="in/one", **BAD),
    "scan --request-id": scanning(context, "--request-id", "R"),
    "scan --source": scanning(context, "--source", "mail"),
    "scan --tenant": scanning(context, "--tenant", "T"),
    "scan --timeout": scanning(error, "--timeout", "30ms", engines=[mock(latency="300ms")]),
    "scan --user": scanning(context, "--user", "U"),
    "scan --verbose": differs(lines, "scan in", "--verbose"),

    "engines --check": differs(status, "engines", "--check", engines=[mock(self_test="eicar")]),
    "engines --json": differs(is_json, "engines", "--json"),

    "audit show --json": differs(is_json, "audit show", "--json"),
    "audit show --after": differs(lines, "audit show --json", "--after", "4"),
    "audit show --limit": differs(lines, "audit show --json", "--limit", "2"),
    "audit show --event": differs(lines, "audit show --json", "--event", "scan_started"),
    "audit export --format": differs(status, "audit export", "--format", "xml"),
    "audit export --after": differs(lines, "audit export", "--after", "4"),

    "policy check --json": differs(is_json, "policy check blocking.yaml", "--json"),
    "policy explain --policy": differs(lines, "policy explain REPORT", "--policy",
                                       "blocking.yaml"),
    "policy explain --json": differs(is_json, "policy explain REPORT", "--json"),
    "policy replay --policy": differs(status, "policy replay --policy default", "--policy",
                                      "blocking.yaml"),
    "policy replay --since": differs(status, "policy replay -p blocking.yaml", "--since", FAR),
    "policy replay --until": differs(status, "policy replay -p blocking.yaml", "--until", PAST),
    "policy replay --examples": differs(lines, "policy replay -p blocking.yaml", "--examples",
                                        "1"),
    "policy replay --json": differs(is_json, "policy replay -p blocking.yaml", "--json"),

    "quarantine list --json": differs(is_json, "quarantine list", "--json", **BAD),
    "quarantine list --state": listing("--state", "held"),
    "quarantine list --tenant": listing("--tenant", "nobody"),
    "quarantine list --hash": listing("--hash", "HASH"),
    "quarantine list --after": listing("--after", FAR),
    "quarantine list --before": listing("--before", PAST),
    "quarantine list --all": covered("src/quarantine/store_test.c", "include_expired"),
    "quarantine list --limit": listing("--limit", "1"),
    "quarantine list --offset": listing("--offset", "1"),
    "quarantine list --cursor": listing("--cursor", "ID"),
    "quarantine show --json": differs(is_json, "quarantine show ID", "--json", **BAD),
    "quarantine get --output": differs(status, "quarantine get ID", "--output", "got", **BAD),
    "quarantine get --reason": differs(reasons, "quarantine get -o got ID", "--reason",
                                       "for a test", **BAD),
    "quarantine restore --to": differs(restored, "quarantine restore --force --reason r ID",
                                       "--to", "back", **BAD),
    "quarantine restore --name": differs(
        restored, "quarantine restore --force --reason r --to back ID", "--name", "other", **BAD),
    "quarantine restore --force": differs(
        restored, "quarantine restore --reason r --to back ID", "--force", **BAD),
    "quarantine restore --reason": differs(
        restored, "quarantine restore --force --to back ID", "--reason", "r", **BAD),
    "quarantine release --reason": differs(reasons, "quarantine release ID", "--reason",
                                           "for a test", **BAD),
    "quarantine reject --reason": rejected,
    "quarantine hold --off": held,
    "quarantine hold --reason": differs(reasons, "quarantine hold ID", "--reason", "for a test",
                                        **BAD),
    "quarantine delete --reason": differs(reasons, "quarantine delete ID", "--reason",
                                          "for a test", **BAD),
    "quarantine verify --json": differs(is_json, "quarantine verify", "--json", **BAD),

    **{f"watch --{name}": as_scan(name) for name in (
        "exclude", "max-size", "engine", "policy", "jobs", "timeout", "archive-password",
        "no-cache", "no-quarantine", "remove", "dry-run", "tenant", "user", "meta", "json",
        "verbose", "no-color")},
    "watch --settle": covered("tests/scenarios/test_watch.py", '"--settle"'),
    "watch --source": watched(context, "--source", "mail"),
    "watch --quiet": watched(silent, "--quiet"),

    "cache stats --json": differs(is_json, "cache stats", "--json"),
    "cache lookup --json": covered("tests/scenarios/test_cache.py", '"lookup", "--json"'),

    "setup clamav --write": covered("tests/scenarios/test_setup.py", '"--write"'),
    "setup clamav --import": covered("tests/scenarios/test_setup.py", '"--import"'),
    "setup clamav --roll-back": covered("tests/scenarios/test_setup.py", '"--roll-back"'),
    **{f"rules {words}": covered("tests/scenarios/test_bundles.py", f'"{words.split()[-1]}"')
       for words in ("list --json", "import --benign", "rollback --to", "rollback --reason",
                     "build --name", "build --bundle-version", "build --key", "build --sample")},
    "rules build --output": covered("tests/scenarios/test_bundles.py", '"-o"'),
    "rules keygen --output": covered("tests/scenarios/test_bundles.py", '"keygen", "-o"'),

    "hash --sha256": differs(printed, "hash in/one", "--sha256"),
    "hash --md5": differs(printed, "hash in/one", "--md5"),
    "hash --threads": threads,
}


PARTS = ("watch ", "cache ", "setup ")  # commands that a build may leave out


class Options(Case):
    def setUp(self):
        super().setUp()
        self.write("list", b"other\n")
        self.write("nul", b"in/one\0in/two\0")
        self.write("blocking.yaml", b"rules: [{id: none, when: {always: true}, then: block}]\n")
        samples.locked_zip(self.folder / "locked.zip", "secret.txt", CLEAN)

    def begin(self, sections):
        """Everything as if nothing had been run."""
        for folder in ("data", "elsewhere", "back"):
            shutil.rmtree(self.folder / folder, ignore_errors=True)
        (self.folder / "got").unlink(missing_ok=True)
        (self.folder / "back").mkdir()
        for name in ("in/one", "in/two", "other"):
            self.write(name, name.encode())
        self.configure(**sections)

    def scan_before(self):
        result = self.scan("--jobs", "1", "in")
        self.write("report.json", result.out.splitlines()[0])
        report = result.reports[0]
        return {"ID": report["quarantine_id"], "HASH": report["file"]["blake3"],
                "REPORT": "report.json"}

    def test_every_option_has_its_row(self):
        """R27: nothing is left out, and nothing that is gone is still accounted for."""
        account(self, surface.options(), OPTIONS, PARTS)

    def test_every_option_matters(self):
        """R27: each makes a difference."""
        attempt(self, OPTIONS, surface.options())

    def test_unknown_options(self):
        """R27: what is no option is refused, by every command."""
        for command in surface.commands():
            result = self.run_program(*command.split(), "--sise")
            self.assertEqual((result.status, result.text), (2, ""), str(result))
            self.assertIn("--sise", result.errors)


if __name__ == "__main__":
    unittest.main()
