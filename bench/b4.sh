#!/bin/sh
# SPDX-License-Identifier: MIT
# B4: tree A through YARA, in turn by the minimal loop on 2 threads, by `yara -r -p 2` and by
# `scanbridge scan` in its sandboxed worker with the audit log on and the cache off, all with the
# same rules. Prints medians and ratios; exit 1 when a target is missed.
#
#     bench/b4.sh BUILD_FOLDER [ROUNDS] [PEERS]
#
# PEERS: only these, e.g. `minimal,yara`, to look at the peers alone. Every fourth file is text,
# so that patterns have something to look at.
set -eu
build=${1:?usage: bench/b4.sh BUILD_FOLDER [ROUNDS] [PEERS]}
exec python3 - "$build" "${2:-5}" "${3:-}" <<'PY'
import math, os, pathlib, random, shutil, statistics, subprocess, sys, tempfile, time

build, rounds = pathlib.Path(sys.argv[1]).resolve(), int(sys.argv[2])
only = sys.argv[3].split(",") if sys.argv[3] else None
work = pathlib.Path(tempfile.mkdtemp(prefix="sb-b4-"))
rules = sorted((build / "rules").glob("*.yar"))
rng = random.Random(1)
WORDS = ("the function returns a value that request and response share; if not, open the file, read "
         "it and write data to the system again. const var = document.getElement(x);\n").split(" ")
TEXTS = ("filename", "filepath", "extension", "container", "mime", "filetype", "owner")
EXTERNALS = [word for name in TEXTS for word in ("-d", f"{name}=x")] + \
    ["-d", "size=1", "-d", "depth=0"]


def content(i):
    size = round(math.exp(rng.uniform(math.log(1024), math.log(65536))))
    if i % 4 != 0:
        return rng.randbytes(size)
    return " ".join(rng.choices(WORDS, k=size // 5)).encode()[:size]


def tree():
    """5,000 unique files of 1-64 KiB, small ones more often; the same ones every time."""
    top, names = work / "a", []
    for i in range(5000):
        path = top / f"{i // 100:02d}" / f"f{i:04d}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content(i))
        names.append(str(path))
    os.sync()  # or the disk is busy with it while the first rounds are timed
    return top, names


def scanbridge_conf():
    conf = work / "scanbridge.yaml"
    conf.write_text(f"data_dir: {work}/data\ncache: {{enabled: false}}\nengines:\n"
                    f"  - {{name: yara, type: yara, rules: [\"{build}/rules\"]}}\n")
    return conf


def run(argv, given):
    """From its start to its end; what it says goes to a file, whose readers nobody waits for."""
    with open(given) as source, tempfile.TemporaryFile() as errors:
        begin = time.monotonic()
        child = subprocess.Popen(argv, stdin=source, stdout=subprocess.DEVNULL, stderr=errors)
        status = child.wait()
        took = time.monotonic() - begin
        errors.seek(0)
        if status != 0:
            sys.exit(f"{argv[0]} ended with {status}:\n{errors.read().decode()[-2000:]}")
    return took


def main():
    if not rules:
        sys.exit(f"no rules below {build}/rules")
    top, names = tree()
    given = work / "names"
    given.write_text("\n".join(names) + "\n")
    peers = {
        "minimal": ([str(build / "bench/yara_min"), "2", *map(str, rules)], given),
        "yara": ([shutil.which("yara") or "yara", "-r", "-p", "2", *EXTERNALS, *map(str, rules),
                  str(top)], os.devnull),
        "scanbridge": ([str(build / "src/cli/scanbridge"), "--config", str(scanbridge_conf()),
                        "scan", "--local", "--quiet", str(top)], os.devnull),
    }
    peers = {name: peer for name, peer in peers.items() if only is None or name in only}
    times = {name: [] for name in peers}
    for _ in range(rounds):
        for name, (argv, text) in peers.items():
            times[name].append(run(argv, text))
    rate = {name: len(names) / statistics.median(t) for name, t in times.items()}
    for name, value in rate.items():
        print(f"{name:12} {value:8.0f} files/s   ({', '.join(f'{t:.2f}' for t in times[name])} s)")
    good = True
    for peer, target in (("minimal", 0.75), ("yara", 1.5)):
        if peer in rate and "scanbridge" in rate:
            ratio = rate["scanbridge"] / rate[peer]
            good = good and ratio >= target
            print(f"B4: {ratio:.2f} x {peer} (target {target}) {'met' if ratio >= target else 'MISSED'}")
    return 0 if good else 1


try:
    code = main()
finally:
    shutil.rmtree(work, ignore_errors=True)
sys.exit(code)
PY
