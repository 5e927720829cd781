#!/bin/bash
# SPDX-License-Identifier: MIT
# From a fresh clone to a first scan:
#
#     ./quickstart.sh              scans a folder of samples that it makes
#     ./quickstart.sh PATH...      scans your files
#
# Installs missing Debian packages, builds, scans with the built-in engine (YARA rules in a
# sandboxed process; no daemon, no network), and shows verdicts, policy actions, quarantine and
# the verified audit log. Exit 0 when everything worked, detections included. Everything it writes is in
# build/quickstart.
set -euo pipefail

case ${1:-} in
-h | --help)
	sed -n '3,11s/^# \{0,1\}//p' "$0"
	exit 0
	;;
esac
paths=()
for path in "$@"; do
	[ -e "$path" ] || { echo "error: $path: no such file or directory" >&2; exit 2; }
	paths+=("$(cd "$(dirname -- "$path")" && pwd)/$(basename -- "$path")")
done

cd "$(dirname -- "$0")"
build=${SCANBRIDGE_BUILD:-build}
scanbridge=$build/src/cli/scanbridge
work=$build/quickstart
bold='' plain=''
[ ! -t 1 ] || { bold=$'\e[1m' plain=$'\e[0m'; }

heading() {
	printf '\n%s== %s%s\n' "$bold" "$1" "$plain"
}

# Run a command quietly; its output is shown when it fails.
quietly() {
	if ! "$@" >"$work.log" 2>&1; then
		cat "$work.log" >&2
		echo "error: '$*' failed, its output is above" >&2
		exit 2
	fi
}

heading "Build"
tools/install.sh build run
mkdir -p "$build"
[ -f "$build/build.ninja" ] || quietly meson setup "$build" -Dbuildtype=release -Dtests=false
quietly ninja -C "$build" src/cli/scanbridge src/worker/scanbridge-worker
"$scanbridge" --version | head -n 2

# --- What is scanned, and by what ---------------------------------------------------------
rm -rf "$work"
mkdir -p "$work"
expect=()
if [ ${#paths[@]} = 0 ]; then
	python3 tools/samples.py "$work/samples"
	paths=("$work/samples")
	expect=(--samples "$work/samples")
fi
cat >"$work/scanbridge.yaml" <<END
# Written by quickstart.sh. \`scanbridge config init\` writes a commented one.
data_dir: data
engines:
  - {name: yara, type: yara}    # the rules that come with Scanbridge
END
run() {
	"$scanbridge" --config "$work/scanbridge.yaml" "$@"
}

heading "Engines"
run engines --check

heading "Verdicts"
status=0
run scan --json "${paths[@]}" >"$work/reports.ndjson" 2>"$work/summary" || status=$?
python3 tools/verdicts.py "${expect[@]}" "$work/reports.ndjson"
cat "$work/summary"

heading "Quarantine"
run quarantine list
run quarantine verify

heading "Audit log"
run audit verify

printf '\nThe scan ended with status %s: ' "$status"
case $status in
0) echo "everything is allowed." ;;
1) echo "at least one file is not allowed." ;;
2) echo "nothing was detected, but something could not be scanned." ;;
*) echo "that is unexpected."; exit 2 ;;
esac
cat <<END

The rules alone are no antivirus, so clean files are allowed *with a warning*; with ClamAV behind the
same door they are simply allowed:

       apt-get install clamav-daemon
       echo '  - {name: clamav, type: clamd, address: "unix:/run/clamav/clamd.ctl"}' >> $work/scanbridge.yaml

Next:  $scanbridge --config $work/scanbridge.yaml scan PATH
       $scanbridge scan --help
       less $work/reports.ndjson     # one JSON report a line
       less $work/data/audit.jsonl   # what was recorded before you saw it
END
