# SPDX-License-Identifier: MIT
"""The steps of ./test.sh: build in every way that matters, test in every build, count.

A step is a function that returns a Count; it may raise Failed with what the reader should see.
Every step writes its details to build-test/logs/NAME.log.
"""
import concurrent.futures
import dataclasses
import json
import os
import pathlib
import re
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[1]
WORK = ROOT / "build-test"
LOGS = WORK / "logs"
JOBS = str(os.cpu_count() or 2)
STEP_LIMIT = 600  # seconds; a step that takes longer hangs
TAIL = 40  # lines of a failed step's log that are shown

SANITIZERS = {"ASAN_OPTIONS": "detect_leaks=1:abort_on_error=0:allocator_may_return_null=1",
              "UBSAN_OPTIONS": "halt_on_error=1:print_stacktrace=1",
              "TSAN_OPTIONS": "halt_on_error=1:second_deadlock_stack=1"}


# The builds without engines share most of their objects.
CACHE = {"CCACHE_DIR": str(WORK / "ccache"), "CCACHE_BASEDIR": str(ROOT), "CCACHE_NOHASHDIR": "1"}


@dataclasses.dataclass
class Count:
    passed: int = 0
    failed: int = 0
    skipped: int = 0

    def __add__(self, other):
        return Count(self.passed + other.passed, self.failed + other.failed,
                     self.skipped + other.skipped)


class Failed(Exception):
    """A step that could not do its work."""


class Log:
    """One step's details."""

    def __init__(self, name):
        self.path = LOGS / f"{name}.log"
        self.file = open(self.path, "w", encoding="utf-8", errors="replace")

    def run(self, *command, env=None, check=True, cwd=ROOT):
        """Run a command; its output goes to the log and is returned."""
        self.file.write(f"$ {' '.join(map(str, command))}\n")
        self.file.flush()
        try:
            done = subprocess.run([str(word) for word in command], stdout=subprocess.PIPE,
                                  stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, cwd=cwd,
                                  env={**os.environ, **SANITIZERS, **CACHE, **(env or {})},
                                  timeout=STEP_LIMIT)
        except subprocess.TimeoutExpired as late:
            self.file.write((late.output or b"").decode("utf-8", "replace"))
            raise Failed(f"{command[0]} took longer than {STEP_LIMIT} s") from late
        output = done.stdout.decode("utf-8", "replace")
        self.file.write(output)
        self.file.flush()
        if check and done.returncode != 0:
            raise Failed(f"{command[0]} ended with status {done.returncode}")
        return output

    def tail(self):
        self.file.flush()
        lines = self.path.read_text(encoding="utf-8", errors="replace").splitlines()
        return lines[-TAIL:]


# --- Builds --------------------------------------------------------------------------------
@dataclasses.dataclass
class Build:
    name: str
    options: list
    compiler: str = "gcc"
    tried: bool = False

    @property
    def folder(self):
        return WORK / self.name

    def setup(self, log):
        env = {"CC": f"ccache {self.compiler}"}  # meson adds it only to a compiler it found itself
        if (self.folder / "build.ninja").exists():
            log.run("meson", "configure", self.folder, *self.options, env=env)
        else:
            log.run("meson", "setup", self.folder, "--prefix=/usr/local", *self.options, env=env)

    def build(self, log, *targets):
        self.tried = True
        self.setup(log)
        log.run("ninja", "--quiet", "-C", self.folder, "-j", JOBS, *targets)
        return Count(passed=1)

    def ensure(self, log):
        """For steps that are run without the build step before them."""
        if not self.tried:
            self.build(log)


# Sanitizers name file and line; the rest of debug information costs time.
LINES = ["-Doptimization=1", "-Ddebug=true", "-Dc_args=-g1", "-Db_lundef=false"]
SANITIZED = [*LINES, "-Dexamples=false"]
RELEASE = Build("release", ["-Dbuildtype=release", "-Dwerror=true"])
ASAN = Build("asan", ["-Db_sanitize=address,undefined", *SANITIZED])
TSAN = Build("tsan", ["-Db_sanitize=thread", *SANITIZED])
# By the other compiler, whose warnings are heard here: all but the tests.
FUZZ = Build("fuzz", ["-Dfuzz=true", "-Dtests=false", "-Dwerror=true",
                      "-Db_sanitize=address,undefined", *LINES],
             "clang-14")


# --- Unit tests: meson runs them, we read what it wrote ------------------------------------
def count_of_program(test):
    """cmocka says how many tests a program held; any other program is one test."""
    output = test.get("stdout", "") + test.get("stderr", "")
    if test["result"] == "SKIP":
        return Count(skipped=1)
    good = test["result"] == "OK"
    passed = sum(map(int, re.findall(r"\[  PASSED  \] (\d+) test", output)))
    failed = sum(map(int, re.findall(r"\[  FAILED  \] (\d+) test", output)))
    skipped = sum(map(int, re.findall(r"\[  SKIPPED \] (\d+) test", output)))
    if good:
        return Count(passed or 1, 0, skipped)
    return Count(passed, failed or 1, skipped)


def unit_tests(build, suites, without=()):
    def step(log):
        build.ensure(log)
        arguments = [word for suite in suites for word in ("--suite", suite)]
        arguments += [word for suite in without for word in ("--no-suite", suite)]
        log.run("meson", "test", "-C", build.folder, "--no-rebuild", "--timeout-multiplier", "3",
                "--print-errorlogs", "--num-processes", JOBS, *arguments, check=False)
        total = Count()
        results = (build.folder / "meson-logs/testlog.json").read_text().splitlines()
        for line in results:
            total += count_of_program(json.loads(line))
        if not results:
            raise Failed("no test was run")
        return total
    return step


# --- Scenarios: every test_*.py is a process of its own ------------------------------------
def run_file(path, build):
    """Run one file of tests; its Count and its output."""
    result = LOGS / f"{path.parent.name}-{path.stem}.json"
    result.unlink(missing_ok=True)
    command = [sys.executable, str(ROOT / "tests/support/runner.py"), str(path), str(result)]
    try:
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              stdin=subprocess.DEVNULL, timeout=STEP_LIMIT,
                              env={**os.environ, **SANITIZERS,
                                   "SCANBRIDGE_BUILD": str(build.folder)})
        output = done.stdout.decode("utf-8", "replace")
    except subprocess.TimeoutExpired as late:
        output = (late.output or b"").decode("utf-8", "replace") + "\nit hangs\n"
    if not result.exists():
        return Count(failed=1), output
    return Count(**json.loads(result.read_text())), output


def scenarios(folders, build, workers=3, without=()):
    folders = folders.split()

    def step(log):
        build.ensure(log)
        # The longest first, or the last one runs alone; size is near enough.
        files = [path for folder in folders
                 for path in sorted((ROOT / "tests" / folder).glob("test_*.py"),
                                    key=lambda path: -path.stat().st_size)
                 if not path.stem.startswith(tuple(without))]
        if not {path.parent.name for path in files} >= set(folders):
            raise Failed(f"one of {', '.join(folders)} holds no tests")
        total = Count()
        with concurrent.futures.ThreadPoolExecutor(workers) as pool:
            jobs = [(path, pool.submit(run_file, path, build)) for path in files]
            bad = ""
            for path, job in jobs:
                count, output = job.result()
                total += count
                text = f"--- {path.relative_to(ROOT)}: {count}\n{output}\n"
                if count.failed:
                    bad += text
                else:
                    log.file.write(text)
            log.file.write(bad)  # last, so that the tail shows it
        return total
    return step


# --- The rest ------------------------------------------------------------------------------
def fault_matrix(log):
    """Every fault of the catalogue against the program: cells are tests."""
    RELEASE.ensure(log)
    output = log.run(sys.executable, "tests/faults/matrix.py", "--sample", check=False,
                     env={"SCANBRIDGE_BUILD": str(RELEASE.folder)})
    match = re.search(r"^(\d+) cells, (\d+) failed", output, re.M)
    if not match:
        raise Failed("the matrix did not come to its end")
    cells, failed = map(int, match.groups())
    return Count(cells - failed, failed)


def fuzzing(log):
    """Kept inputs first, then a short search from them."""
    FUZZ.ensure(log)
    output = log.run("tests/fuzz/run.sh", FUZZ.folder, "3", check=False)
    good, bad = (len(re.findall(rf"^{word} ", output, re.M)) for word in ("ok", "FAILED"))
    if good + bad == 0:
        raise Failed("no fuzz target was run")
    return Count(good, bad)


def quickstart(log):
    """The first thing that anybody does, twice, and with a path."""
    RELEASE.ensure(log)
    for paths in ([], [], ["/usr/share/common-licenses"]):
        output = log.run("./quickstart.sh", *paths, env={"SCANBRIDGE_BUILD": str(RELEASE.folder)})
        if "consistent up to seq" not in output:
            raise Failed("no verified audit log")
    return Count(passed=3)


def every_option(log):
    """Leave out one half of the engines, the other, then all: the rest must link. Plugins run in
    the worker that comes with yara."""
    total = Count()
    engines = ("clamd", "command", "hashlist", "icap", "mock", "plugin", "virustotal", "yara")
    half = len(engines) // 2
    combinations = [list(engines[:half]), list(engines[half:]), list(engines)]
    for without in combinations:
        build = Build("without-" + "-".join(without),
                      ["-Doptimization=0", "-Dwerror=true", "-Dtests=false", "-Dexamples=false",
                       "-Dyara_archive=disabled",  # all others have it
                       *(f"-D{name}={'disabled' if name in without else 'enabled'}"
                         for name in engines)])
        worker = [] if "yara" in without else ["src/worker/scanbridge-worker"]
        build.build(log, "src/cli/scanbridge", *worker)
        text = log.run(build.folder / "src/cli/scanbridge", "--version")
        built = re.search(r"^engines: *(.*)$", text, re.M).group(1).replace(",", "").split()
        wanted = [name for name in engines if name not in without]
        if [name for name in engines if name in built] != wanted:
            raise Failed(f"without {without}: the program says {built}")
        total += Count(passed=1)
    return total


# These go through all keys, options and kinds with the program, or look at headers: what they
# run, the others run under sanitizers.
TABLES = ("test_r26", "test_r27", "test_r28", "test_r29", "test_r31")

# Programs of a single thread (suite `single`) have nothing to show to the thread sanitizer.
STEPS = [
    ("build-release", RELEASE.build),
    ("build-asan", ASAN.build),
    ("build-tsan", TSAN.build),
    ("build-fuzz", FUZZ.build),
    ("unit-release", unit_tests(RELEASE, ["unit", "kernel", "fuzz"])),
    ("unit-asan", unit_tests(ASAN, ["unit", "fuzz"])),
    ("unit-tsan", unit_tests(TSAN, ["unit"], without=["single"])),
    ("lint", scenarios("lint", RELEASE)),
    ("headers", scenarios("headers", RELEASE)),
    ("abi", scenarios("abi", RELEASE)),
    ("rules", scenarios("rules", RELEASE)),
    ("scenarios", scenarios("scenarios", RELEASE)),
    ("regressions", scenarios("regressions", RELEASE)),
    ("regressions-asan", scenarios("regressions", ASAN, without=TABLES)),
    ("faults", fault_matrix),
    # Each is mostly one long file: side by side.
    ("evasive-crashes", scenarios("cache faults evasive quarantine", RELEASE)),
    ("quickstart", quickstart),
    ("fuzz", fuzzing),
    ("options", every_option),
]


def report(name, count, seconds, problem):
    word = "FAILED" if count.failed else "ok"
    skipped = f", {count.skipped} skipped" if count.skipped else ""
    failed = f", {count.failed} failed" if count.failed else ""
    print(f"{word:6}  {name:16}  {count.passed} passed{failed}{skipped}  ({seconds:.0f} s)"
          + (f": {problem}" if problem else ""), flush=True)


def run_step(name, step):
    log = Log(name)
    begun, problem = time.monotonic(), None
    try:
        count = step(log)
    except (Failed, OSError, ValueError, AttributeError) as error:
        count, problem = Count(failed=1), str(error)
    report(name, count, time.monotonic() - begun, problem)
    if count.failed:
        for line in log.tail():
            print("    " + line)
        print(f"    all of it: {log.path}", flush=True)
    return count


def main(words):
    if words == ["--list"]:
        print("\n".join(name for name, _ in STEPS))
        return 0
    chosen = [step for step in STEPS if not words or any(word in step[0] for word in words)]
    if not chosen:
        print(f"no step's name holds {' or '.join(words)}; ./test.sh --list", file=sys.stderr)
        return 2
    LOGS.mkdir(parents=True, exist_ok=True)
    total = Count()
    for name, step in chosen:
        total += run_step(name, step)
    print(f"{total.passed} passed, {total.failed} failed, {total.skipped} skipped")
    return 1 if total.failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
