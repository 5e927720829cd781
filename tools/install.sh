#!/bin/sh
# SPDX-License-Identifier: MIT
# Install the Debian packages that one or more groups need and that are missing:
#
#     tools/install.sh build run test
#
# Says nothing and touches nothing when all are there, so it is cheap to call every time.
# SCANBRIDGE_NO_INSTALL=1 only reports what is missing.
set -eu

packages() {
	case $1 in
	build) echo gcc libc6-dev meson ninja-build pkg-config libfyaml-dev libjansson-dev \
		libssl-dev librust-blake3-dev libyara-dev libarchive-dev libbrotli-dev \
		zlib1g-dev liblzma-dev libmagic-dev libseccomp-dev \
		libsqlite3-dev libpcre2-dev libcurl4-openssl-dev scdoc ;;
	run) echo python3 zip ;;
	test) echo clamav-daemon clamav clamav-freshclam bubblewrap c-icap libc-icap-mod-virus-scan \
		openssl yara p7zip-full genisoimage zstd lz4 lzip brotli cpio rpm bzip2 xz-utils g++ \
		clang-14 libclang-rt-14-dev clang-tidy-14 cppcheck binutils libcmocka-dev \
		libuv1-dev libglib2.0-dev b3sum clamav-testfiles clamdscan git strace \
		util-linux zsh fish man-db groff-base tmux jq ccache ;;
	*)
		echo "tools/install.sh: unknown group '$1': expected build, run or test" >&2
		exit 2
		;;
	esac
}

is_installed() {
	[ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

missing=
for group in "$@"; do
	for package in $(packages "$group"); do
		is_installed "$package" || missing="$missing $package"
	done
done
[ -n "$missing" ] || exit 0

if ! command -v apt-get >/dev/null; then
	echo "error: this script installs Debian packages, and apt-get is not here." >&2
	echo "Install the equivalents of these by hand:$missing" >&2
	exit 2
fi
if [ "$(id -u)" = 0 ]; then
	as_root=
elif command -v sudo >/dev/null; then
	as_root=sudo
else
	as_root=missing
fi
if [ -n "${SCANBRIDGE_NO_INSTALL:-}" ] || [ "$as_root" = missing ]; then
	echo "error: these packages are missing and only root can install them:" >&2
	echo "    apt-get install --no-install-recommends$missing" >&2
	echo "Run that as root, or install sudo, and start again." >&2
	exit 2
fi

echo "installing:$missing"
log=$(mktemp)
trap 'rm -f "$log"' EXIT
apt() {
	# shellcheck disable=SC2086 # $as_root is one word or none
	$as_root env DEBIAN_FRONTEND=noninteractive NEEDRESTART_MODE=l \
		apt-get -q -o DPkg::Lock::Timeout=120 "$@" >>"$log" 2>&1
}
# shellcheck disable=SC2086 # a list of package names
if ! { apt update && apt install -y --no-install-recommends $missing; }; then
	cat "$log" >&2
	echo "error: apt-get failed, its output is above" >&2
	exit 2
fi
