#!/bin/sh
# SPDX-License-Identifier: MIT
# The verdict cache (B15): lookups from memory and from disk, memory in use, and whether a lookup
# costs the same with a thousand verdicts and with a million.
#
#     bench/b15_cache.sh BUILD [FOLDER] [MOST]   a build made with -Dbench=true; FOLDER defaults to
#                                                /var/tmp; MOST to 1000000 verdicts
set -eu
build=${1:?usage: bench/b15_cache.sh BUILD [FOLDER] [MOST]}
folder=$(mktemp -d -p "${2:-/var/tmp}")
most=${3:-1000000}
trap 'rm -rf "$folder"' EXIT

count=1000
while [ "$count" -le "$most" ]; do
	"$build/bench/b15_cache" "$folder/$count" "$count" $((count / 2500 + 4)) 2
	rm -rf "$folder/$count"
	count=$((count * 10))
done
echo "with the default 64 MiB for all of them:"
"$build/bench/b15_cache" "$folder/small" "$most" 64 2
