#!/bin/sh
# SPDX-License-Identifier: MIT
# One file by six engines at once (yara, clamd, c-icap, clamscan, a plugin, and a VirusTotal of our own
# that answers after a second, as the real one does), in turn with each of them alone, in one process
# that stays. Targets: all of them take at most 1.05 times as long as the slowest alone, and the disk
# delivers the content once to everybody. Cache and quarantine are off.
#
#     bench/six.sh BUILD_FOLDER [ROUNDS]
#
# Prints medians with their ranges; exit 1 when a target is missed.
set -eu
build=$(realpath "${1:?usage: bench/six.sh BUILD_FOLDER [ROUNDS]}")
root=$(cd "$(dirname "$0")/.." && pwd)
export SCANBRIDGE_BUILD="$build" PYTHONPATH="$root/tests:$root/tools"
exec python3 - "${2:-7}" <<'PY'
import contextlib, json, os, pathlib, random, shutil, statistics, sys, tempfile
from faults.server import Server
from support import harness
from support.driver import Driver
from support.everybody import NAMES, Everybody, missing

rounds = int(sys.argv[1])
SIZE = 4 << 20
LATENCY = 1.0  # s


def io_of(pid, field):
    with open(f"/proc/{pid}/io", encoding="ascii") as lines:
        return int(dict(line.split(": ") for line in lines)[field])


def scan(driver, path, *engines):
    only = f" engines={','.join(engines)}" if engines else ""
    answer = driver.scan_all([f"path {path} tag=one{only}"])["one"]
    report = answer["report"]
    if report["outcome"] != "clean" or len(report["engines"]) != (len(engines) or len(NAMES)):
        sys.exit(f"not what it should be: {json.dumps(report)}")
    return answer["elapsed_ms"]


def from_disk(driver, peers, path):
    """Bytes that the disk delivered to everybody during one scan of a file that no cache holds."""
    with open(path, "rb") as file:
        os.fsync(file.fileno())
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    roots = [driver.process.pid, peers.clamd.process.pid, peers.icap.process.pid]
    pids = {pid for root in roots for pid in (root, *harness.descendants(root))}
    before = {pid: io_of(pid, "read_bytes") for pid in pids}
    scan(driver, path)
    return sum(io_of(pid, "read_bytes") - before[pid] for pid in pids)


def say(good, text):
    print(f"{'met   ' if good else 'MISSED'}  {text}")
    return good


def main(work, cleanup):
    server = Server()
    cleanup.callback(server.stop)
    peers = Everybody(work, server, cleanup.callback)
    data = random.Random(6).randbytes(SIZE)
    peers.virustotal.know(data)
    peers.virustotal.latency = LATENCY
    path = work / "content"
    path.write_bytes(data)
    config = work / "scanbridge.yaml"
    config.write_text(json.dumps({
        "data_dir": str(work / "data"), "cache": {"enabled": False},
        "quarantine": {"enabled": False}, "engines": peers.engines(self_test="off")}))
    driver = Driver(config, work)
    driver.open()
    scan(driver, path)
    times = {name: [] for name in (*NAMES, "all")}
    for _ in range(rounds):
        for name in NAMES:
            times[name].append(scan(driver, path, name))
        times["all"].append(scan(driver, path))
    disk = from_disk(driver, peers, path)
    driver.end()
    for name, values in times.items():
        print(f"{name:10} {statistics.median(values):8.1f} ms  ({min(values):.1f} to {max(values):.1f})")
    ratio = statistics.median(all_ / max(times[name][i] for name in NAMES)
                              for i, all_ in enumerate(times["all"]))
    return all([say(ratio <= 1.05, f"together {ratio:.3f} x the slowest alone; target 1.05"),
                say(disk <= 1.05 * SIZE, f"the disk delivered {disk / SIZE:.3f} x the content; "
                                         "target 1")])


if why := missing():
    sys.exit(why)
work = pathlib.Path(tempfile.mkdtemp(prefix="sb-six-"))
with contextlib.ExitStack() as cleanup:
    cleanup.callback(shutil.rmtree, work, ignore_errors=True)
    good = main(work, cleanup)
sys.exit(not good)
PY
