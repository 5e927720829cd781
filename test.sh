#!/bin/sh
# SPDX-License-Identifier: MIT
# Everything that continuous integration runs:
#
#     ./test.sh              all steps; the last line is `N passed, N failed, N skipped`
#     ./test.sh NAME...      only steps whose name holds one of the words
#     ./test.sh --list       the steps
#
# Installs missing Debian packages; builds below build-test/, where the details are kept as well.
set -eu
cd "$(dirname -- "$0")"
tools/install.sh build run test
exec python3 tests/run.py "$@"
