#!/bin/bash
# SPDX-License-Identifier: MIT
# B6 and B6b: what everything around an engine costs, measured with an engine that costs nothing
# (mock), in turn with a bare loop over the same bytes: hash them, or open, read and hash them.
# That loop is the limit; the ratio says how much of it is left.
#
#   bench/b6.sh [BUILD-FOLDER] [ROUNDS]        (configured with -Dbench=true)
#
# Targets, 1 / 2 threads: 1 KiB 320,000 / 620,000 scans/s; 64 KiB 100,000 / 190,000; with audit
# lines written 148,000 / 272,000; tree A by path 55,000 / 110,000 files/s; 1 GiB 0.22 s; four
# engines on 100 MiB 0.03 s. Needs 1.3 GiB below $TMPDIR.
set -euo pipefail

root=$(cd "$(dirname "$0")/.." && pwd)
build=$(realpath "${1:-$root/build}")
rounds=${2:-5}
work=$(mktemp -d "${TMPDIR:-/tmp}/b6.XXXXXX")
trap 'rm -rf "$work"' EXIT
export B6_DATA=$work/data

"${CC:-cc}" -O2 -o "$work/mktree" "$root/bench/mktree.c" -lm
"$work/mktree" "$work/A" 5000 1024 65536 1
"$work/mktree" "$work/M" 1 104857600 104857600 2
"$work/mktree" "$work/C" 1 1073741824 1073741824 3
for tree in A M C; do
	find "$work/$tree" -type f >"$work/$tree.list"
done

b6=$build/bench/b6
for threads in 1 2; do
	"$b6" memory 1024 $threads off "$rounds"
	"$b6" memory 65536 $threads off "$rounds"
	"$b6" memory 1024 $threads lines "$rounds"
	rm -rf "$B6_DATA" # the log grows by 2 KiB a scan
	"$b6" paths "$work/A.list" $threads "$rounds"
done
"$b6" paths "$work/C.list" 1 "$rounds"
"$b6" paths "$work/M.list" 1 "$rounds" 4
