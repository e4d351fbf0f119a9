#!/usr/bin/env bash
# Builds the Debian packages, in BUILD/packages. Status 77 (skipped) if the tools for it are
# missing.
#
# usage: tests/packages/make.sh SOURCE BUILD [CMAKE ARGS...]

set -euo pipefail
source=$(realpath "$1") build=$(realpath "$2")
# shellcheck source=SCRIPTDIR/skip.sh
source "$(dirname "${BASH_SOURCE[0]}")/skip.sh"

need_program ninja dpkg-deb dpkg-shlibdeps file gzip strip readelf
export CCACHE_BASEDIR=$source CCACHE_NOHASHDIR=1
rm -rf "$build/packages"
cd "$source"
cmake --preset packages -B "$build" "${@:3}"
cmake --build "$build" --parallel
cd "$build"
umask 027  # which must not show in the packages
cpack
