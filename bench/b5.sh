#!/bin/sh
# SPDX-License-Identifier: MIT
# B5: one 100 MiB file by three engines at once (clamd, yara in its worker, a hash list), in turn with
# each of them alone, in one process that stays. Targets: all three take at most 1.05 times as long as
# the slowest alone; this process reads the content once, and the disk delivers it once to everybody;
# anonymous and shared memory of process and workers stays below 64 MiB. Cache and quarantine are off.
#
#     bench/b5.sh BUILD_FOLDER [ROUNDS]
#
# Prints medians with their ranges; exit 1 when a target is missed. Engines that compute share the
# processors and what lies between them and the memory: `apart` is what the machine allows, each engine
# asked by a process of its own at the same time.
set -eu
build=$(realpath "${1:?usage: bench/b5.sh BUILD_FOLDER [ROUNDS]}")
root=$(cd "$(dirname "$0")/.." && pwd)
export SCANBRIDGE_BUILD="$build" PYTHONPATH="$root/tests:$root/tools"
exec python3 - "$build" "${2:-7}" <<'PY'
import json, os, pathlib, random, shutil, statistics, subprocess, sys, tempfile
from support import harness

build, rounds = pathlib.Path(sys.argv[1]), int(sys.argv[2])
SIZE = 100 << 20
ALONE = ["clamav", "yara"]  # the list, which has no opinion on its own, takes no time at all


class Driver:
    """tests/support/scan_driver: a manager that stays, told what to scan line by line."""

    def __init__(self, config):
        self.process = subprocess.Popen([build / "tests/scan_driver"], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True, bufsize=1)
        self.memory = harness.TreeMemory(self.process)
        self.tell(f"open {config}")
        answer = self.answer()
        if not answer.get("opened"):
            sys.exit(answer["message"])

    def tell(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def answer(self):
        return json.loads(self.process.stdout.readline())

    def begin(self, path, *engines):
        self.tell(f"path {path}" + (f" engines={','.join(engines)}" if engines else ""))

    def finish(self):
        answer = self.answer()
        if answer["report"]["outcome"] != "clean":
            sys.exit(f"not clean: {json.dumps(answer['report'])}")
        return answer["elapsed_ms"]

    def scan(self, path, *engines):
        self.begin(path, *engines)
        return self.finish()

    def end(self):
        self.process.stdin.close()
        self.process.wait()
        return self.memory.result()


def io_of(pid, field):
    with open(f"/proc/{pid}/io", encoding="ascii") as lines:
        return int(dict(line.split(": ") for line in lines)[field])


def from_disk(driver, clamd, path):
    """Bytes that the disk delivered to everybody during one scan of a file that no cache holds."""
    with open(path, "rb") as file:
        os.fsync(file.fileno())
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    pids = [clamd, *harness.descendants(driver.process.pid)]
    before = sum(io_of(pid, "read_bytes") for pid in pids)
    driver.scan(path)
    return sum(io_of(pid, "read_bytes") for pid in pids) - before


def apart(drivers, path):
    """Each engine in a process of its own, at the same time: what the machine allows."""
    for name, driver in drivers.items():
        driver.begin(path, name)
    return max(driver.finish() for driver in drivers.values())


def write_config(work, clamd, data):
    (work / "list.txt").write_text("blake3:" + "0" * 64 + "\n")
    config = work / f"{data}.yaml"
    config.write_text(f"""
data_dir: {work}/{data}
cache: {{enabled: false}}
quarantine: {{enabled: false}}
engines:
  - {{name: clamav, type: clamd, address: "{clamd.address}", max_size: 200MiB, self_test: off}}
  - {{name: yara, type: yara, rules: ["{build}/rules"], self_test: off}}
  - {{name: list, type: hashlist, block: list.txt, self_test: off}}
""")
    return config


def measure(work, clamd):
    path = work / "content"
    path.write_bytes(random.Random(5).randbytes(SIZE))
    driver = Driver(write_config(work, clamd, "all"))
    others = {name: Driver(write_config(work, clamd, name)) for name in ALONE}
    for warm in (driver, *others.values()):
        warm.scan(path)
    times = {name: [] for name in [*ALONE, "apart", "all"]}
    for _ in range(rounds):
        for name in ALONE:
            times[name].append(driver.scan(path, name))
        times["apart"].append(apart(others, path))
        times["all"].append(driver.scan(path))
    before = io_of(driver.process.pid, "rchar")
    driver.scan(path)
    read = io_of(driver.process.pid, "rchar") - before
    disk = from_disk(driver, clamd.process.pid, path)
    for other in others.values():
        other.end()
    return times, read, disk, driver.end()


def say(good, text):
    print(f"{'met   ' if good else 'MISSED'}  {text}")
    return good


def judge(times, read, disk, memory):
    median = {name: statistics.median(values) for name, values in times.items()}
    for name, values in times.items():
        print(f"{name:8} {median[name]:8.1f} ms  ({min(values):.1f} to {max(values):.1f})")
    slowest = max(median[name] for name in ALONE)
    # Round by round: a busy moment hits all of a round alike.
    ratio = statistics.median(
        both / max(times[name][i] for name in ALONE) for i, both in enumerate(times["all"]))
    limit = statistics.median(
        both / bare for both, bare in zip(times["all"], times["apart"]))
    print(f"        together {limit:.3f} x both in processes of their own at the same time")
    good = [say(ratio <= 1.05, f"together {ratio:.3f} x the slowest alone ({slowest:.1f} ms); "
                               "target 1.05"),
            say(read <= 1.05 * SIZE, f"read {read / SIZE:.3f} x the content in this process; "
                                     "target 1"),
            say(disk <= 1.05 * SIZE, f"the disk delivered {disk / SIZE:.3f} x the content; "
                                     "target 1"),
            say(memory < 64 << 10, f"{memory / 1024:.1f} MiB of memory at most; target 64")]
    return 0 if all(good) else 1


work = pathlib.Path(tempfile.mkdtemp(prefix="sb-b5-"))
clamd = harness.PrivateClamd(MaxFileSize="400M", MaxScanSize="400M", StreamMaxLength="400M",
                             DisableCache="yes")
try:
    code = judge(*measure(work, clamd))
finally:
    clamd.close()
    shutil.rmtree(work, ignore_errors=True)
sys.exit(code)
PY
