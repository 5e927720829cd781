#!/bin/sh
# SPDX-License-Identifier: MIT
# B7: verdicts with a durable audit record, in turn with no audit log. Targets: at least 20,000
# verdicts a second with 64 callers; the median of one caller's scan grows by at most 1 ms (with 64
# callers at once that time is their number through the rate, whatever the log costs).
#
#     bench/b7.sh BUILD [ROUNDS] [FOLDER]     a build made with -Dbench=true; FOLDER on a real disk
#
# `flushes/s alone` says what the disk does: records of the same size, each flushed for itself. The log
# grows by 2 KiB a scan: 2 GiB for 5 rounds at 100,000/s. Exit 1 when a target is missed.
set -eu
build=$(realpath "${1:?usage: bench/b7.sh BUILD [ROUNDS] [FOLDER]}")
rounds=${2:-5}
folder=$(mktemp -d -p "${3:-${TMPDIR:-/tmp}}")
trap 'rm -rf "$folder"' EXIT

"$build/bench/b7" "$folder" 64 "$rounds" >"$folder/many"
"$build/bench/b7" "$folder" 1 "$rounds" >"$folder/one"
cat "$folder/many" "$folder/one"
rate=$(awk '{ print int($3) }' "$folder/many")
added=$(awk '{ printf "%.3f", $8 - $11 }' "$folder/one")
awk -v rate="$rate" -v added="$added" 'BEGIN {
	fast = rate >= 20000 ? "met   " : "MISSED"
	quick = added <= 1 ? "met   " : "MISSED"
	print fast "  " rate " verdicts/s with 64 callers (target 20000)"
	print quick "  p50 of one caller + " added " ms (target 1)"
	exit fast == "MISSED" || quick == "MISSED"
}'
