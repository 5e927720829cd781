#!/bin/sh
# SPDX-License-Identifier: MIT
# B1: tree A through a private clamd without its cache, in turn by clamdscan, by the minimal client
# and by `scanbridge scan` with caches off; and by `scanbridge scan` through a clamd of its own
# (`spawn`), which unpacks in memory and starts anew for every round, so that its cache is empty.
# Prints medians and ratios; exit 1 when a target is missed.
#
#     bench/b1.sh BUILD_FOLDER [ROUNDS]
set -eu
build=${1:?usage: bench/b1.sh BUILD_FOLDER [ROUNDS]}
rounds=${2:-5}
export PYTHONPATH="$(dirname "$0")" PYTHONDONTWRITEBYTECODE=1
exec python3 - "$build" "$rounds" <<'PY'
import pathlib, sys, tempfile

from clamd_peers import Clamd, Spawned, judge, rates, run, scanbridge, tree

build, rounds = pathlib.Path(sys.argv[1]).resolve(), int(sys.argv[2])


def main(work):
    top, names = tree(work)
    given = ("\n".join(names) + "\n").encode()
    clamd = Clamd(work, DisableCache="yes")
    minimal = str(build / "bench/clamd_min")
    peers = {
        "clamdscan": (clamd.scan(top), None),
        "minimal, 4 sessions": ([minimal, f"{work}/s", "4"], given),
        "minimal, 10 sessions": ([minimal, f"{work}/s", "10"], given),
        "minimal, plain": ([minimal, f"{work}/s", "4", "plain"], given),
        "scanbridge": (scanbridge(build, work, clamd.address, top,
                                  "cache: {enabled: false}\n"), None),
    }
    spawned = Spawned(build, work, top)
    peers["scanbridge, spawned"] = (spawned.scan, None)
    times = {name: [] for name in peers}
    try:
        for _ in range(rounds):
            for name, (argv, text) in peers.items():
                if argv is spawned.scan:
                    spawned.fresh()
                times[name].append(run(argv, text))
                spawned.stop()
    finally:
        spawned.stop()
        clamd.stop()
    rate = rates(times, len(names))
    best = max(value for name, value in rate.items() if name.startswith("minimal"))
    return judge("B1", [("minimal client", rate["scanbridge"] / best, 0.97),
                        ("clamdscan", rate["scanbridge"] / rate["clamdscan"], 1.2),
                        ("clamdscan, spawned", rate["scanbridge, spawned"] / rate["clamdscan"],
                         1.6)])


with tempfile.TemporaryDirectory(prefix="sb-b1-") as folder:
    sys.exit(main(folder))
PY
