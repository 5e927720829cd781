#!/bin/bash
# SPDX-License-Identifier: MIT
# `policy replay` over 10^5 audit records of real scans (target: under 5 s), and the share of it that
# is only reading and checking the chain (`audit verify` on the same log).
#
#     bench/replay.sh [BUILD-FOLDER]
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
build=$(realpath "${1:-$root/build}")
program=$build/src/cli/scanbridge
work=$(mktemp -d "${TMPDIR:-/dev/shm}/replay.XXXXXX")
trap 'rm -rf "$work"' EXIT

mkdir "$work/files"
(cd "$work/files" && seq 33400 | split -l 1 -a 4)
printf 'data_dir: %s/data\nengines:\n  - {name: m, type: mock}\n' "$work" >"$work/scanbridge.yaml"
run() { "$program" --config "$work/scanbridge.yaml" "$@"; }
run scan --quiet --jobs 8 "$work/files"
echo "$(wc -l <"$work/data/audit.jsonl") records, $(stat -c %s "$work/data/audit.jsonl") bytes"
TIMEFORMAT='audit verify   %R s, %U s of processor time'
time run audit verify >/dev/null
printf 'preset: strict\nrules: [{id: small, when: {size_below: 3, time: {from: "08:00", to: "18:00"}}, then: block}]\n' >"$work/candidate.yaml"
TIMEFORMAT='policy replay  %R s, %U s of processor time'
time run policy replay --policy "$work/candidate.yaml" | head -n 1 || true
