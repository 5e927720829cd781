#!/bin/bash
# SPDX-License-Identifier: MIT
# Search with every libFuzzer target of a build made with -Dfuzz=true:
#
#     tests/fuzz/run.sh BUILD SECONDS [NAME...]
#
# Starts from the kept inputs; what it finds on the way stays in BUILD. One line per target, `ok`
# or `FAILED`; the input of a failure is named, and belongs into tests/fuzz/corpus once it is
# mended.
set -u
build=${1:?usage: run.sh BUILD SECONDS [NAME...]} seconds=${2:?}
shift 2
here=$(cd "$(dirname -- "$0")" && pwd)
export LSAN_OPTIONS=suppressions=$here/lsan.supp:print_suppressions=0

# One target; its line, and of a failure the end of its log, come out in one piece.
search() {
	local program=$1 name=${1##*/fuzz_} dictionary=() options=()
	local found=$build/fuzz-$name
	mkdir -p "$found/new" "$found/bad"
	[ ! -f "$here/$name.dict" ] || dictionary=(-dict="$here/$name.dict")
	[ ! -f "$here/$name.options" ] || mapfile -t options <"$here/$name.options"
	if "$program" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=1024 \
		-print_final_stats=1 -artifact_prefix="$found/bad/" "${dictionary[@]}" "${options[@]}" \
		"$found/new" "$here/corpus/$name" >"$found/log" 2>&1; then
		printf 'ok %s: %s executions\n' "$name" \
			"$(sed -n 's/^stat::number_of_executed_units: *//p' "$found/log")"
	else
		printf '%s\n' "FAILED $name" "$(tail -n 60 "$found/log")"
		return 1
	fi
}
export -f search
export here build seconds

for program in "$build"/tests/fuzz/fuzz_*; do
	if [ ! -x "$program" ] || [ -d "$program" ]; then continue; fi
	name=${program##*/fuzz_}
	[ $# = 0 ] || [[ " $* " = *" $name "* ]] || continue
	printf '%s\0' "$program"
done | xargs -0 -r -n 1 -P "$(nproc)" bash -c 'search "$1"' search
