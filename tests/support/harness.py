# SPDX-License-Identifier: MIT
"""What the scenarios stand on: the program under test, a real clamd, and ways to wait for what
happens instead of for time to pass."""
import contextlib
import ctypes
import json
import os
import pathlib
import re
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools"))

import clamd as private_clamd  # noqa: E402
import samples  # noqa: E402

BUILD = pathlib.Path(os.environ.get("SCANBRIDGE_BUILD", ROOT / "build")).resolve()
SCANBRIDGE = BUILD / "src/cli/scanbridge"
PATIENCE = 60  # seconds; only a hang ever takes that long
NOBODY = 65534

# Started in the background by a shell, we ignore SIGINT and so would every program we start.
signal.signal(signal.SIGINT, signal.default_int_handler)
eicar = samples.eicar

CLEAN, INFECTED = b"nothing to see here\n", eicar()


def needs(condition, reason):
    """skipUnless that reads well above a test."""
    return unittest.skipUnless(condition, reason)


def engines_built():
    """The engines that the program under test holds."""
    text = subprocess.run([SCANBRIDGE, "--version"], capture_output=True, text=True,
                          check=True).stdout
    return re.search(r"^engines: *(.*)$", text, re.M).group(1).replace(",", "").split()


# --- clamd ---------------------------------------------------------------------------------
class PrivateClamd:
    """A real clamd on a Unix socket, and on a TCP port of 127.0.0.1 with tcp=True."""

    def __init__(self, tcp=False, **options):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="clamd."))
        self.port = free_port() if tcp else None
        self.config = private_clamd.write_setup(self.folder, self.port, Foreground="yes",
                                                **options)
        self.socket = self.folder / "clamd.sock"
        self.address = f"unix:{self.socket}"
        self.tcp_address = f"tcp:127.0.0.1:{self.port}"
        self.log = []
        self.start()

    def start(self):
        listening = threading.Event()
        self.process = subprocess.Popen(
            [private_clamd.program(self.folder), "-c", self.config],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        threading.Thread(target=self._follow, args=(self.process.stdout, listening),
                         daemon=True).start()
        if not listening.wait(PATIENCE) or self.process.poll() is not None:
            raise RuntimeError("clamd did not start:\n" + "".join(self.log))
        self.ask(b"zPING\0")

    def _follow(self, output, listening):
        """Keep the log, and with it the pipe empty; clamd's last words before it accepts
        connections are how often it checks itself."""
        for line in output:
            self.log.append(line)
            if "Self checking" in line:
                listening.set()
        listening.set()
        output.close()

    def ask(self, command):
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(PATIENCE)
            connection.connect(str(self.socket))
            connection.sendall(command)
            return connection.recv(4096)

    def signal(self, number):
        self.process.send_signal(number)

    def freeze(self):
        """SIGSTOP, and return when the kernel says that it stands still."""
        self.signal(signal.SIGSTOP)
        os.waitid(os.P_PID, self.process.pid, os.WSTOPPED | os.WNOWAIT)

    def thaw(self):
        self.signal(signal.SIGCONT)

    def kill(self):
        self.process.kill()
        self.process.wait()

    def close(self):
        if self.process.poll() is None:
            self.thaw()
            self.process.terminate()
            self.process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


# --- scanbridge ----------------------------------------------------------------------------
class Result:
    """What a run of the program left behind."""

    def __init__(self, arguments, process, stdout, stderr):
        self.arguments, self.status = arguments, process.returncode
        self.out, self.err = stdout, stderr

    @property
    def text(self):
        return self.out.decode("utf-8", "replace")

    @property
    def errors(self):
        return self.err.decode("utf-8", "replace")

    @property
    def reports(self):
        return [json.loads(line) for line in self.out.splitlines()]

    @property
    def report(self):
        """The one report."""
        reports = self.reports
        if len(reports) != 1:
            raise AssertionError(f"expected one report, got {len(reports)}: {self}")
        return reports[0]

    def by_name(self):
        return {report["file"]["name"]: report for report in self.reports}

    def __str__(self):
        return (f"{' '.join(map(str, self.arguments))}\nstatus {self.status}\n"
                f"--- stdout\n{self.text}\n--- stderr\n{self.errors}")


class Case(unittest.TestCase):
    """A test with a folder of its own, a configuration and the program."""

    maxDiff = 4000

    @classmethod
    def setUpClass(cls):
        if not SCANBRIDGE.exists():
            raise FileNotFoundError(f"{SCANBRIDGE} is not built: ninja -C {BUILD}")

    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="scanbridge-test."))
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        self.data = self.folder / "data"
        self.config = self.folder / "scanbridge.yaml"
        self.configure()

    # --- what is there ---------------------------------------------------------------------
    def configure(self, *engines, **sections):
        """Write the configuration; without engines one mock that finds everything clean.
        Engines and sections are given as they stand in JSON, which is YAML."""
        document = {"data_dir": str(self.data), "engines": list(engines) or [mock()]} | sections
        self.config.write_text(json.dumps(document, indent=1))

    def write(self, name, data=CLEAN):
        """A file below the test's folder; bytes names welcome."""
        path = os.path.join(os.fsencode(self.folder), os.fsencode(name))
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as file:
            file.write(data)
        return pathlib.Path(os.fsdecode(path))

    # --- running ---------------------------------------------------------------------------
    def environment(self):
        clean = {key: value for key, value in os.environ.items()
                 if not key.startswith(("SCANBRIDGE_", "XDG_"))}
        return clean | {"HOME": str(self.folder)}

    def program_for(self, options):
        """Another user may not be able to reach the build: below /root nobody is."""
        if "user" not in options:
            return SCANBRIDGE
        copy = self.folder / "scanbridge-copy"
        if not copy.exists():
            shutil.copy(SCANBRIDGE, copy)
            copy.chmod(0o755)
        return copy

    def start(self, *arguments, **options):
        """The program, running."""
        line = [str(self.program_for(options)), "--config", str(self.config), *arguments]
        options = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE,
                   "stderr": subprocess.PIPE, "env": self.environment(),
                   "cwd": self.folder} | options
        process = subprocess.Popen(line, **options)
        self.addCleanup(self._end, process)
        process.line = line
        return process

    def _end(self, process):
        if process.poll() is None:
            process.kill()
        for stream in (process.stdin, process.stdout, process.stderr):
            if stream:
                stream.close()
        process.wait()

    def finish(self, process, stdin=None, patience=PATIENCE):
        """Wait for its end. A status below zero is death by a signal: always a failure."""
        out, err = process.communicate(stdin, timeout=patience)
        result = Result(process.line, process, out or b"", err or b"")
        self.assertGreaterEqual(result.status, 0, f"died by a signal: {result}")
        return result

    def run_program(self, *arguments, stdin=None, **options):
        if stdin is not None:
            options["stdin"] = subprocess.PIPE
        return self.finish(self.start(*arguments, **options), stdin)

    def scan(self, *arguments, status=None, **options):
        """`scan --json`; options as for run_program."""
        result = self.run_program("scan", "--json", *arguments, **options)
        if status is not None:
            self.assertEqual(result.status, status, str(result))
        return result

    def as_nobody(self, *arguments, **options):
        """The same without root's powers; the test's folder is handed over."""
        if os.geteuid() != 0:
            return self.run_program(*arguments, **options)
        for path, _, files in os.walk(self.folder):
            for name in (path, *(os.path.join(path, file) for file in files)):
                os.chown(name, NOBODY, NOBODY, follow_symlinks=False)
        return self.run_program(*arguments, user=NOBODY, group=NOBODY, extra_groups=[],
                                **options)

    # --- judging ---------------------------------------------------------------------------
    def assert_outcome(self, report, outcome, *, action=None, kind=None, engine=None):
        self.assertEqual(report["outcome"], outcome, report)
        if action:
            self.assertEqual(report["action"], action, report)
        if outcome == "error":
            self.assertTrue(report["error"]["message"], report)
        if kind:
            self.assertEqual(report["error"]["kind"], kind, report)
        if engine:
            self.assertEqual(report["error"]["engine"], engine, report)

    def verify_audit(self):
        """The log is whole; returns its records."""
        result = self.run_program("audit", "verify")
        self.assertEqual(result.status, 0, str(result))
        lines = (self.data / "audit.jsonl").read_bytes().splitlines()
        return [json.loads(line) for line in lines]

    @contextlib.contextmanager
    def clamd(self, **options):
        server = PrivateClamd(**options)
        try:
            yield server
        finally:
            server.close()


class ClamdCase(Case):
    """The same with one clamd for the whole class."""

    clamd_options = {}

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.server = PrivateClamd(**cls.clamd_options)
        cls.addClassCleanup(cls.server.close)

    def setUp(self):
        super().setUp()
        self.configure(clamav(self.server.address))


def clamav(address, **settings):
    return {"name": "clamav", "type": "clamd", "address": address} | settings


def mock(name="mock", **settings):
    return {"name": name, "type": "mock"} | settings


def yara(name="yara", **settings):
    return {"name": name, "type": "yara"} | settings


class YaraCase(Case):
    """The same with the engine yara and its bundled rules, and no other engine."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        if "yara" not in engines_built():
            raise RuntimeError(f"{SCANBRIDGE} has no engine yara: build it with -Dyara=enabled")

    def setUp(self):
        super().setUp()
        self.configure(yara())


# --- events --------------------------------------------------------------------------------
class FolderWatch:
    """Waits until something happens below a folder (inotify)."""

    CREATE, MODIFY, OPEN, CLOSE_READ = 0x100, 0x2, 0x20, 0x10

    def __init__(self, folder, events):
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._fd = self._libc.inotify_init1(os.O_CLOEXEC)
        if self._libc.inotify_add_watch(self._fd, os.fsencode(folder), events) < 0:
            raise OSError(ctypes.get_errno(), "inotify_add_watch")

    def wait(self):
        return os.read(self._fd, 4096)

    def fileno(self):
        return self._fd

    def __enter__(self):
        return self

    def __exit__(self, *_):
        os.close(self._fd)


def peak_memory(process):
    """Wait for a child: its status, and the most that was resident at any time, in KiB."""
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    return process.returncode, usage.ru_maxrss


class TreeMemory:
    """The most memory that a process and all its descendants held together, in KiB: anonymous and
    shared, each page once. Looked at again and again until the process ends, which is what it
    waits for; what comes and goes between two looks is not seen."""

    INTERVAL = 3  # milliseconds

    def __init__(self, process):
        self.peak = 0
        self._process = process
        self._thread = threading.Thread(target=self._follow, daemon=True)
        self._thread.start()

    def _follow(self):
        try:
            handle = os.pidfd_open(self._process.pid)
        except ProcessLookupError:
            return
        with os.fdopen(handle) as end:
            while not select.select([end], [], [], self.INTERVAL / 1000)[0]:
                self.peak = max(self.peak, sum(map(_memory, descendants(self._process.pid))))

    def result(self):
        self._thread.join()
        return self.peak


def descendants(pid):
    """The process and everything below it, by what the kernel says of children."""
    found = [pid]
    for each in found:
        for path in pathlib.Path(f"/proc/{each}/task").glob("*/children"):
            with contextlib.suppress(OSError):
                found += map(int, path.read_text().split())
    return found


def _memory(pid):
    """Anonymous and shared KiB of one process. Shares of pages where we may see them; else whole
    pages, which counts too much rather than too little."""
    for path, names in ((f"/proc/{pid}/smaps_rollup", ("Pss_Anon", "Pss_Shmem", "SwapPss")),
                        (f"/proc/{pid}/status", ("RssAnon", "RssShmem", "VmSwap"))):
        with contextlib.suppress(OSError), open(path, encoding="ascii") as lines:
            fields = dict(line.split(":", 1) for line in lines if ":" in line)
            return sum(int(fields[name].split()[0]) for name in names if name in fields)
    return 0


def unix_connections(name):
    """Sockets of the whole machine that are bound to a path: the listener, and every
    connection that somebody made to it, accepted or not."""
    with open("/proc/net/unix", "rb") as table:
        return sum(line.rstrip().endswith(b" " + name) for line in table)
