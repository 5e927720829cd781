#!/bin/sh
# SPDX-License-Identifier: MIT
# B1: tree A through a private clamd without its cache, in turn by clamdscan, by the minimal client
# and by `scanbridge scan` with caches off. Prints medians and ratios; exit 1 when a target is missed.
#
#     bench/b1.sh BUILD_FOLDER [ROUNDS]
set -eu
build=${1:?usage: bench/b1.sh BUILD_FOLDER [ROUNDS]}
rounds=${2:-5}
exec python3 - "$build" "$rounds" <<'PY'
import os, pathlib, random, shutil, socket, statistics, subprocess, sys, tempfile, time

build, rounds = pathlib.Path(sys.argv[1]).resolve(), int(sys.argv[2])
work = pathlib.Path(tempfile.mkdtemp(prefix="sb-b1-"))
rng = random.Random(1)


def tree():
    """5,000 unique files of 1-64 KiB, the same ones every time."""
    top, names = work / "a", []
    for i in range(5000):
        path = top / f"{i // 100:02d}" / f"f{i:04d}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(rng.randbytes(rng.randint(1024, 65536)))
        names.append(str(path))
    return top, names


def signatures(folder):
    """120,000 made-up signatures: a base of a size that costs something."""
    folder.mkdir()
    with open(folder / "b.hdb", "w") as out:
        for i in range(60000):
            out.write(f"{rng.randbytes(16).hex()}:{rng.randint(100, 9999999)}:Bench.Hash.{i}\n")
    with open(folder / "b.ndb", "w") as out:
        for i in range(60000):
            out.write(f"Bench.Body.{i}:0:*:{rng.randbytes(20).hex()}\n")


def start_clamd():
    signatures(work / "db")
    conf = work / "clamd.conf"
    conf.write_text(f"Foreground yes\nLocalSocket {work}/s\nDatabaseDirectory {work}/db\n"
                    f"TemporaryDirectory {work}\nDisableCache yes\nLogFile {work}/log\n")
    clamd = subprocess.Popen(["clamd", f"--config-file={conf}"], stdout=subprocess.DEVNULL,
                             stderr=subprocess.DEVNULL)
    end = time.monotonic() + 120
    while clamd.poll() is None and time.monotonic() < end:
        try:
            with socket.socket(socket.AF_UNIX) as s:
                s.connect(f"{work}/s")
                s.sendall(b"zPING\0")
                if s.recv(8) == b"PONG\0":
                    return clamd, conf
        except OSError:
            time.sleep(0.1)
    clamd.kill()
    sys.exit(f"clamd does not start: see {work}/log")


def scanbridge_conf():
    conf = work / "scanbridge.yaml"
    conf.write_text(f"data_dir: {work}/data\ncache: {{enabled: false}}\nengines:\n"
                    f"  - {{name: clamav, type: clamd, address: \"unix:{work}/s\", "
                    "concurrency: 10}\n")
    return conf


def run(argv, given=None):
    begin = time.monotonic()
    done = subprocess.run(argv, input=given, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    if done.returncode != 0:
        sys.exit(f"{argv[0]} ended with {done.returncode}:\n{done.stderr.decode()[-2000:]}")
    return time.monotonic() - begin


def main():
    top, names = tree()
    given = ("\n".join(names) + "\n").encode()
    clamd, conf = start_clamd()
    minimal = str(build / "bench/clamd_min")
    peers = {
        "clamdscan": ([shutil.which("clamdscan"), f"--config-file={conf}", "--fdpass",
                       "--multiscan", "--no-summary", "--infected", str(top)], None),
        "minimal, 4 sessions": ([minimal, f"{work}/s", "4"], given),
        "minimal, 10 sessions": ([minimal, f"{work}/s", "10"], given),
        "minimal, plain": ([minimal, f"{work}/s", "4", "plain"], given),
        "scanbridge": ([str(build / "src/cli/scanbridge"), "--config", str(scanbridge_conf()),
                        "scan", "--local", "--quiet", str(top)], None),
    }
    times = {name: [] for name in peers}
    try:
        for _ in range(rounds):
            for name, (argv, text) in peers.items():
                times[name].append(run(argv, text))
    finally:
        clamd.terminate()
        clamd.wait()
    rate = {name: len(names) / statistics.median(t) for name, t in times.items()}
    for name, value in rate.items():
        print(f"{name:22} {value:8.0f} files/s   "
              f"({', '.join(f'{t:.2f}' for t in times[name])} s)")
    best = max(value for name, value in rate.items() if name.startswith("minimal"))
    good = True
    for name, peer, target in (("minimal client", best, 0.97), ("clamdscan", rate["clamdscan"], 1.2)):
        ratio = rate["scanbridge"] / peer
        good = good and ratio >= target
        print(f"B1: {ratio:.2f} x {name} (target {target}) {'met' if ratio >= target else 'MISSED'}")
    return 0 if good else 1


try:
    code = main()
finally:
    shutil.rmtree(work, ignore_errors=True)
sys.exit(code)
PY
