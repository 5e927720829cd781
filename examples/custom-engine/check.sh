#!/bin/sh
# SPDX-License-Identifier: MIT
# One file that holds the word, one that does not, and a setting that is wrong.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
scanbridge=${SCANBRIDGE:-scanbridge}

configuration() {
	cat >"$folder/scanbridge.yaml" <<-END
		data_dir: $folder/data
		decision: {min_assurance: rules}
		engines:
		  - {name: word, type: plugin, path: $PWD/word.so, self_test: off, settings: {$1}}
	END
}

expect() {
	status=0
	"$scanbridge" --config "$folder/scanbridge.yaml" scan "$2" >"$folder/out" 2>&1 || status=$?
	[ "$status" = "$1" ] && grep -q "$3" "$folder/out" && return
	echo "scan $2: status $status instead of $1, or no \"$3\":" && cat "$folder/out" && exit 1
}

echo 'so much for teapots' >"$folder/bad"
echo 'nothing to see' >"$folder/good"
configuration 'word: teapot'
expect 1 "$folder/bad" Word.Forbidden
expect 0 "$folder/good" '^ *clean  *1$'
configuration 'wrod: teapot'
expect 2 "$folder/good" 'did you mean "word"?'
echo 'word.so does what it should'
