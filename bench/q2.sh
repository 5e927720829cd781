#!/bin/sh
# SPDX-License-Identifier: MIT
# What the quarantine costs (Q2): store and read on one core against `openssl speed`, and pages
# of a list of 10^5 objects.
#
#     bench/q2.sh BUILD [FOLDER]      a build made with -Dbench=true; FOLDER defaults to /dev/shm
set -eu
build=${1:?usage: bench/q2.sh BUILD [FOLDER]}
folder=$(mktemp -d -p "${2:-/dev/shm}")
trap 'rm -rf "$folder"' EXIT

printf 'openssl, AES-256-GCM, 256 KiB: '
openssl speed -seconds 2 -bytes 262144 -evp aes-256-gcm 2>/dev/null |
	awk '/^AES-256-GCM/ {printf "%.0f MB/s\n", $2 / 1000}'
printf 'quarantine, 256 MiB, of processor time: '
taskset -c 0 "$build/bench/q2" speed "$folder/speed" 256
echo '100 of 100000 objects:'
"$build/bench/q2" list "$folder/list" 100000
