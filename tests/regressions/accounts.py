# SPDX-License-Identifier: MIT
"""Tables that account for everything of a kind: each thing has a row that shows it at work, or
says where that is shown, or that this build refuses it. A row is called with the test case."""
import subprocess

from support.harness import PATIENCE, ROOT, SCANBRIDGE, mock


def account(case, offered, table, parts=()):
    """Every thing has its row, and no row is left over, but for those that begin like one of
    `parts`: parts of the program that a build may leave out."""
    forgotten = sorted(set(offered) - set(table))
    case.assertEqual(forgotten, [], "nobody shows that these matter: add rows")
    gone = [name for name in sorted(set(table) - set(offered)) if not name.startswith(parts)]
    case.assertEqual(gone, [], "these are gone: take their rows out")


def attempt(case, table, offered=None):
    """Try the rows of what is offered."""
    for name, row in table.items():
        if offered is None or name in offered:
            with case.subTest(name):
                row(case)


def covered(path, *words):
    """Shown in another test: the file is there and has these words in it."""
    def row(case):
        text = (ROOT / path).read_text()
        for word in words:
            case.assertIn(word, text, path)
    return row


def because(reason):
    """No test can show it, for a reason that has to be a good one."""
    return lambda case: case.assertTrue(reason)


def later(then=None, **sections):
    """A part that not every build has: refused by name, or else this row shows it."""
    def row(case):
        case.use(sections)
        result = case.run_program("config", "check")
        if "not available in this build" not in result.errors and then is not None:
            then(case)
            return
        case.assertEqual(result.status, 1, f"it is built by now, show that it matters: {result}")
        case.assertIn("not available in this build", result.errors)
    return row


def lacks(feature, why):
    """Nothing to do while this build has no such part, as `--version` says."""
    def row(case):
        absent = case.run_program("--version").text.split("absent:")[-1]
        case.assertIn(feature, absent, f"it is built by now, show that it matters; so far: {why}")
    return row


def engine(type_name="mock", /, **settings):
    """The section `engines` with one engine."""
    return [mock(**settings) | {"type": type_name}]


def changes(gives, was="clean allow", look=None, before=None, **after):
    """What `look` sees with the sections `before` is `was`, and `gives` with `after` as well."""
    def row(case):
        for sections, wanted in ((before or {}, was), ((before or {}) | after, gives)):
            case.use(sections)
            case.assertEqual((look or verdict)(case), wanted, sections)
    return row


# --- What is looked at ---------------------------------------------------------------------
def verdict(case, *arguments, **options):
    """`clean allow`, `infected quarantine Some.Name`, `error block timeout`."""
    report = case.scan(*(arguments or ["note.txt"]), **options).report
    words = [report["outcome"], report["action"], *(t["name"] for t in report["threats"])]
    return " ".join(words + ([report["error"]["kind"]] if report["error"] else []))


def verdict_of(*arguments, **options):
    return lambda case: verdict(case, *arguments, **options)


def member(*names, of=("note.txt",)):
    """A member of the report: member("file", "mime"); None where there is none."""
    def look(case):
        found = case.scan(*of).report
        for name in names:
            found = found[name] if isinstance(name, int) else (found or {}).get(name)
        return found
    return look


def traced(case, calls, *words, status=0):
    """The system calls of a run, a line each."""
    log = case.folder / "trace"
    line = ["strace", "-f", "-y", "-qq", "-o", log, "-e", f"trace={calls}", SCANBRIDGE, "--config",
            case.config, *words]
    quiet = {"ASAN_OPTIONS": "detect_leaks=0"}  # it can't look for them under a tracer
    done = subprocess.run(line, capture_output=True, cwd=case.folder, timeout=PATIENCE,
                          env=case.environment() | quiet)
    case.assertEqual(done.returncode, status, done.stderr)
    return log.read_text().splitlines()
