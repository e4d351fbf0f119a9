#!/usr/bin/env bash
# Fails on what lintian(1) calls an error; shows its warnings.
#
# usage: tests/packages/lintian.sh FOLDER_OF_PACKAGES

set -euo pipefail
# shellcheck source=SCRIPTDIR/skip.sh
source "$(dirname "${BASH_SOURCE[0]}")/skip.sh"

need_program lintian
need_packages "$1"
# It warns when run by root.
lintian --fail-on error "$1"/*.deb 2> >(grep -v 'root privileges' >&2)
