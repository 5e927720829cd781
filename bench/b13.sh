#!/bin/bash
# SPDX-License-Identifier: MIT
# B13: from the start to the first verdict, rules compiled on the way: `scanbridge scan FILE` with
# the bundled rules against `yara` with the same rules, in turn, on one small file. Targets:
# at most 50 ms and at most 1.5 x yara. The verdict cache is on, and the file is another one in every
# round, so it is asked for in vain and stored. Prints medians, and beside them what a file takes that
# is known already, and one without a cache; exit 1 when a target is missed.
#
#   bench/b13.sh [BUILD-FOLDER] [ROUNDS] [peer]
#
# With `peer` only yara is run.
set -euo pipefail

root=$(cd "$(dirname "$0")/.." && pwd)
build=$(realpath "${1:-$root/build}")
program=${SCANBRIDGE:-$build/src/cli/scanbridge}
rounds=${2:-21}
work=$(mktemp -d "${TMPDIR:-/tmp}/b13.XXXXXX")
trap 'rm -rf "$work"' EXIT

printf 'nothing to see here\n' >"$work/known.txt"
for cache in true false; do
	printf 'data_dir: %s/data-%s\ncache: {enabled: %s}\nengines:\n  - {name: yara, type: yara}\n' \
		"$work" "$cache" "$cache" >"$work/$cache.yaml"
done
externals=(-d size=20 -d depth=0)
for name in filename filepath extension container mime filetype owner; do
	externals+=(-d "$name=x")
done
ours() { "$program" --config "$work/true.yaml" scan --local --quiet "$work/letter.txt"; }
known() { "$program" --config "$work/true.yaml" scan --local --quiet "$work/known.txt"; }
without() { "$program" --config "$work/false.yaml" scan --local --quiet "$work/letter.txt"; }
theirs() { yara "${externals[@]}" "$build"/rules/*.yar "$work/letter.txt"; }

# The time of one run in microseconds.
clock() {
	local start=$EPOCHREALTIME
	"$@" >/dev/null
	local end=$EPOCHREALTIME
	echo $((${end/[.,]/} - ${start/[.,]/}))
}

median() {
	sort -n "$1" | awk '{ t[NR] = $1 } END { print (t[int((NR + 1) / 2)] + t[int(NR / 2) + 1]) / 2 }'
}

for ((i = 0; i < rounds; i++)); do
	echo "nothing to see here: $i" >"$work/letter.txt"
	for who in ours known without; do
		[ "${3:-}" = peer ] || clock "$who" >>"$work/$who"
	done
	clock theirs >>"$work/theirs"
done
yara_time=$(median "$work/theirs")
awk -v t="$yara_time" 'BEGIN { printf "yara        %6.1f ms\n", t / 1000 }'
for who in known without; do
	[ "${3:-}" = peer ] || awk -v who="$who" -v t="$(median "$work/$who")" \
		'BEGIN { printf "  %-9s %6.1f ms\n", who, t / 1000 }'
done
[ "${3:-}" = peer ] || awk -v ours="$(median "$work/ours")" -v theirs="$yara_time" 'BEGIN {
	printf "scanbridge  %6.1f ms\n", ours / 1000
	printf "B13: %.1f ms (target 50) %s\n", ours / 1000, ours <= 50000 ? "met" : "MISSED"
	printf "B13: %.2f x yara (target 1.5) %s\n", ours / theirs,
		ours <= 1.5 * theirs ? "met" : "MISSED"
	exit ours > 50000 || ours > 1.5 * theirs }'
