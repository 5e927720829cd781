#!/bin/bash
# SPDX-License-Identifier: MIT
# B13: from the start to the first verdict: `scanbridge scan --json FILE` with the bundled rules,
# until its report is read, against `yara` with the same rules, in turn, on one small file. Targets:
# at most 50 ms and at most 1.5 x yara. Rules are compiled at the first start and kept; the verdict
# cache is on, and the file is another one in every round, so it is asked for in vain and stored.
# Prints medians (and until the process has ended), beside them what a file takes that is known
# already, one without a cache, and the first start in a new data directory, which compiles as yara
# does every time; exit 1 when a target is missed.
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
configure() {
	printf 'data_dir: %s/data-%s\ncache: {enabled: %s}\nengines:\n  - {name: yara, type: yara}\n' \
		"$work" "$1" "$2" >"$work/$1.yaml"
}
configure true true
configure false false
configure first true
externals=(-d size=20 -d depth=0)
for name in filename filepath extension container mime filetype owner; do
	externals+=(-d "$name=x")
done
scan() { "$program" --config "$work/$1.yaml" scan --local --json "$work/$2.txt" 2>/dev/null; }
ours() { scan true letter; }
known() { scan true known; }
without() { scan false letter; }
first() {
	rm -rf "$work/data-first"
	scan first letter
}
theirs() { yara "${externals[@]}" "$build"/rules/*.yar "$work/letter.txt"; }

# Microseconds from $1 to now.
since() {
	local now=$EPOCHREALTIME
	echo $((${now/[.,]/} - ${1/[.,]/}))
}

# Until the report is here, and until the end.
clock_ours() {
	local who=$1 start=$EPOCHREALTIME line pid
	exec 3< <("$who")
	pid=$!
	read -r line <&3
	since "$start" >>"$work/$who"
	wait "$pid"
	since "$start" >>"$work/$who-ended"
	exec 3<&-
	case $line in
	*'"outcome":"clean"'*) ;;
	*)
		echo "b13: not clean: $line" >&2
		exit 2
		;;
	esac
}

clock_theirs() {
	local start=$EPOCHREALTIME
	theirs >/dev/null
	since "$start" >>"$work/theirs"
}

median() {
	sort -n "$1" | awk '{ t[NR] = $1 } END { print (t[int((NR + 1) / 2)] + t[int(NR / 2) + 1]) / 2 }'
}

for ((i = 0; i < rounds; i++)); do
	echo "nothing to see here: $i" >"$work/letter.txt"
	for who in ours known without first; do
		[ "${3:-}" = peer ] || clock_ours "$who"
	done
	clock_theirs
done
yara_time=$(median "$work/theirs")
awk -v t="$yara_time" 'BEGIN { printf "yara        %6.1f ms\n", t / 1000 }'
[ "${3:-}" = peer ] && exit
for who in first known without ours; do
	awk -v who="$who" -v t="$(median "$work/$who")" -v ended="$(median "$work/$who-ended")" \
		'BEGIN { sub("ours", "scanbridge", who)
		printf "%-10s  %6.1f ms (%.1f ms until its end)\n", who, t / 1000, ended / 1000 }'
done
awk -v ours="$(median "$work/ours")" -v theirs="$yara_time" 'BEGIN {
	printf "B13: %.1f ms (target 50) %s\n", ours / 1000, ours <= 50000 ? "met" : "MISSED"
	printf "B13: %.2f x yara (target 1.5) %s\n", ours / theirs,
		ours <= 1.5 * theirs ? "met" : "MISSED"
	exit ours > 50000 || ours > 1.5 * theirs }'
