#!/bin/sh
# SPDX-License-Identifier: MIT
# B3: tree D (25,000 files, four of five are copies) for the first time, with nothing known to
# anybody: `scanbridge scan` and clamdscan, each with a clamd that has just been started. In turn;
# prints medians and their ratio; exit 1 when the target is missed.
#
#     bench/b3.sh BUILD_FOLDER [ROUNDS]
set -eu
build=${1:?usage: bench/b3.sh BUILD_FOLDER [ROUNDS]}
rounds=${2:-5}
export PYTHONPATH="$(dirname "$0")" PYTHONDONTWRITEBYTECODE=1
exec python3 - "$build" "$rounds" <<'PY'
import pathlib, shutil, sys, tempfile

from clamd_peers import Clamd, judge, rates, run, scanbridge, tree

build, rounds = sys.argv[1], int(sys.argv[2])


def main(work):
    top, names = tree(work, copies=5)
    clamd = Clamd(work)
    peers = {
        "clamdscan": clamd.scan(top),
        "scanbridge": scanbridge(build, work, clamd.address, top),
    }
    times = {name: [] for name in peers}
    try:
        for _ in range(rounds):
            for name, argv in peers.items():
                clamd.fresh()
                shutil.rmtree(pathlib.Path(work) / "data", ignore_errors=True)
                times[name].append(run(argv))
    finally:
        clamd.stop()
    rate = rates(times, len(names))
    return judge("B3", [("clamdscan", rate["scanbridge"] / rate["clamdscan"], 2.2)])


with tempfile.TemporaryDirectory(prefix="sb-b3-") as folder:
    sys.exit(main(folder))
PY
