#!/bin/sh
# SPDX-License-Identifier: MIT
# B2: tree D (25,000 files, tree A five times) when all verdicts are known: `scanbridge scan` with
# policy and durable audit, clamdscan with everything in clamd's own cache, and b3sum with one
# thread, which only reads and hashes. In turn; prints medians and ratios; exit 1 when a target is
# missed.
#
#     bench/b2.sh BUILD_FOLDER [ROUNDS]
set -eu
build=${1:?usage: bench/b2.sh BUILD_FOLDER [ROUNDS]}
rounds=${2:-5}
export PYTHONPATH="$(dirname "$0")" PYTHONDONTWRITEBYTECODE=1
exec python3 - "$build" "$rounds" <<'PY'
import shutil, sys, tempfile

from clamd_peers import Clamd, judge, rates, run, scanbridge, tree

build, rounds = sys.argv[1], int(sys.argv[2])


def main(work):
    top, names = tree(work, copies=5)
    clamd = Clamd(work)
    peers = {
        "clamdscan": clamd.scan(top),
        "b3sum, 1 thread": [shutil.which("b3sum"), "--num-threads", "1", *names],
        "scanbridge": scanbridge(build, work, clamd.address, top),
    }
    times = {name: [] for name in peers}
    try:
        for argv in peers.values():  # from here on everything is known to everybody
            run(argv)
        for _ in range(rounds):
            for name, argv in peers.items():
                times[name].append(run(argv))
    finally:
        clamd.stop()
    rate = rates(times, len(names))
    return judge("B2", [("clamdscan", rate["scanbridge"] / rate["clamdscan"], 10),
                        ("b3sum", rate["scanbridge"] / rate["b3sum, 1 thread"], 0.6)])


with tempfile.TemporaryDirectory(prefix="sb-b2-") as folder:
    sys.exit(main(folder))
PY
