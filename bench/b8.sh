#!/bin/bash
# SPDX-License-Identifier: MIT
# B8: `scanbridge hash` against b3sum, in turn, on one 1 GiB file and on 5,000 files of 1 to
# 64 KiB, with one thread and with two. Target: at least as fast at the same thread count.
#
#   bench/b8.sh [BUILD-FOLDER] [ROUNDS]
#
# Needs b3sum and 1.2 GiB below $TMPDIR. Prints medians and the ratio of the speeds; fails only
# when the two disagree about a digest.
set -euo pipefail

root=$(cd "$(dirname "$0")/.." && pwd)
program=${SCANBRIDGE:-$(realpath "${1:-$root/build}")/src/cli/scanbridge}
rounds=${2:-7}
work=$(mktemp -d "${TMPDIR:-/tmp}/b8.XXXXXX")
trap 'rm -rf "$work"' EXIT

"${CC:-cc}" -O2 -o "$work/mktree" "$root/bench/mktree.c" -lm
"$work/mktree" "$work/A" 5000 1024 65536 1
"$work/mktree" "$work/C" 1 1073741824 1073741824 2

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

printf '%-4s %-8s %14s %14s %8s\n' tree threads 'scanbridge ms' 'b3sum ms' ratio
for tree in C A; do
	cd "$work/$tree"
	# Both must agree, and the page cache is warm afterwards.
	cmp <("$program" hash f*) <(b3sum f*)
	for threads in 1 2; do
		: >"$work/ours"
		: >"$work/theirs"
		for ((i = 0; i < rounds; i++)); do
			clock "$program" hash --threads "$threads" f* >>"$work/ours"
			clock b3sum --num-threads "$threads" f* >>"$work/theirs"
		done
		awk -v tree="$tree" -v threads="$threads" -v ours="$(median "$work/ours")" \
			-v theirs="$(median "$work/theirs")" 'BEGIN {
			printf "%-4s %-8s %14.1f %14.1f %8.2f\n", tree, threads, ours / 1000,
				theirs / 1000, theirs / ours }'
	done
done
