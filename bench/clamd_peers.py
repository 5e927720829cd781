# SPDX-License-Identifier: MIT
"""What B1, B2 and B3 share: the trees, a private clamd with a base that costs something, and
running peers in turn."""
import pathlib
import random
import shutil
import socket
import statistics
import subprocess
import sys
import time


def tree(work, copies=1):
    """Tree A, 5,000 unique files of 1-64 KiB, the same ones every time; D is five copies of it.
    The folder, and the names of its files."""
    rng, top, names = random.Random(1), pathlib.Path(work) / "tree", []
    for i in range(5000):
        data = rng.randbytes(rng.randint(1024, 65536))
        for copy in range(copies):
            path = top / f"{copy}" / f"{i // 100:02d}" / f"f{i:04d}"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
            names.append(str(path))
    return top, names


def signatures(folder):
    """120,000 made-up signatures."""
    rng = random.Random(2)
    folder.mkdir()
    with open(folder / "b.hdb", "w") as out:
        for i in range(60000):
            out.write(f"{rng.randbytes(16).hex()}:{rng.randint(100, 9999999)}:Bench.Hash.{i}\n")
    with open(folder / "b.ndb", "w") as out:
        for i in range(60000):
            out.write(f"Bench.Body.{i}:0:*:{rng.randbytes(20).hex()}\n")


class Clamd:
    """A private one, that keeps everything below `work`."""

    def __init__(self, work, **options):
        self.work = pathlib.Path(work)
        self.config = self.work / "clamd.conf"
        self.address = f"unix:{self.work}/s"
        if not (self.work / "db").exists():
            signatures(self.work / "db")
        lines = {"Foreground": "yes", "LocalSocket": f"{work}/s",
                 "DatabaseDirectory": f"{work}/db", "TemporaryDirectory": work,
                 "LogFile": f"{work}/log"} | options
        self.config.write_text("".join(f"{key} {value}\n" for key, value in lines.items()))
        self.process = None
        self.start()

    def start(self):
        self.process = subprocess.Popen(["clamd", f"--config-file={self.config}"],
                                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        end = time.monotonic() + 120
        while self.process.poll() is None and time.monotonic() < end:
            try:
                with socket.socket(socket.AF_UNIX) as s:
                    s.connect(f"{self.work}/s")
                    s.sendall(b"zPING\0")
                    if s.recv(8) == b"PONG\0":
                        return
            except OSError:
                time.sleep(0.1)
        self.stop()
        sys.exit(f"clamd does not start: see {self.work}/log")

    def stop(self):
        self.process.terminate()
        self.process.wait()

    def fresh(self):
        """The same with nothing in its cache."""
        self.stop()
        self.start()

    def scan(self, top):
        """clamdscan in the mode that is its quickest."""
        return [shutil.which("clamdscan"), f"--config-file={self.config}", "--fdpass",
                "--multiscan", "--no-summary", "--infected", str(top)]


class Spawned:
    """A clamd that Scanbridge starts and configures: the same signatures, and unpacking in memory.
    Some process has to own it while others are measured."""

    def __init__(self, build, work, top):
        self.work = pathlib.Path(work)
        self.work.chmod(0o755)  # it runs as another user, when we are root
        self.scan = scanbridge(build, work, f"spawn: {{database: {work}/db}}", top,
                               "cache: {enabled: false}\n", "spawned")
        (self.work / "nothing").mkdir()
        self.owner, self.starts = None, 0

    def fresh(self):
        """One with nothing in its cache."""
        self.stop()
        self.starts += 1
        self.owner = subprocess.Popen([*self.scan[:3], "watch", str(self.work / "nothing")],
                                      stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        end = time.monotonic() + 120
        while self.owner.poll() is None and time.monotonic() < end:
            logs = self.work.glob("spawned/clamav/*/clamd.log")
            if sum(log.read_text().count("clamd is up") for log in logs) >= self.starts:
                return
            time.sleep(0.05)
        sys.exit(f"clamd does not start: see {self.work}/spawned/clamav")

    def stop(self):
        if self.owner:
            self.owner.terminate()
            self.owner.wait()
            self.owner = None


def scanbridge(build, work, address, top, sections="", name="scanbridge"):
    """Our command line for the tree, with a configuration and a data directory of its own.
    address: that of a clamd, or the section spawn."""
    config = pathlib.Path(work) / f"{name}.yaml"
    where = address if address.startswith("spawn:") else f"address: \"{address}\""
    data = "data" if name == "scanbridge" else name
    config.write_text(f"data_dir: {work}/{data}\n{sections}engines:\n"
                      f"  - {{name: clamav, type: clamd, {where}, concurrency: 10}}\n")
    return [str(pathlib.Path(build).resolve() / "src/cli/scanbridge"), "--config", str(config),
            "scan", "--local", "--quiet", str(top)]


def run(argv, given=None):
    """Seconds."""
    begin = time.monotonic()
    done = subprocess.run(argv, input=given, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    if done.returncode != 0:
        sys.exit(f"{argv[0]} ended with {done.returncode}:\n{done.stderr.decode()[-2000:]}")
    return time.monotonic() - begin


def rates(times, files):
    """Print all that was measured; files a second by their medians."""
    rate = {name: files / statistics.median(t) for name, t in times.items()}
    for name, value in rate.items():
        print(f"{name:22} {value:8.0f} files/s   "
              f"({', '.join(f'{t:.2f}' for t in times[name])} s)")
    return rate


def judge(what, rows):
    """Rows of peer, ratio, target; the exit status."""
    for peer, ratio, target in rows:
        print(f"{what}: {ratio:.2f} x {peer} (target {target}) "
              f"{'met' if ratio >= target else 'MISSED'}")
    return 0 if all(ratio >= target for _, ratio, target in rows) else 1
