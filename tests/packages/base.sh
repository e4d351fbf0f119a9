#!/usr/bin/env bash
# Makes, once, a base system of this machine's distribution: what systemd, apt and the project's
# packages need, from the archives that its apt knows. Status 77 (skipped) if that is not possible.
#
# usage: tests/packages/base.sh FOLDER

set -euo pipefail
base=$1
# shellcheck source=SCRIPTDIR/skip.sh
source "$(dirname "${BASH_SOURCE[0]}")/skip.sh"
readonly LIMIT=300 INCLUDED=apt,systemd,libstdc++6

((EUID == 0)) || skip "only root may install a system"
need_program mmdebstrap apt-get
if [[ -f $base.complete && $(<"$base.complete") == "$INCLUDED" ]]; then exit 0; fi

codename=$(sed -n 's/^VERSION_CODENAME=//p' /etc/os-release)
archives=$(apt-get indextargets --format "\$(CODENAME) deb \$(REPO_URI) \$(CODENAME) \$(COMPONENT)" \
  'Created-By: Packages' | sed -n "s/^$codename \(deb .* main\)$/\1/p" | sort -u)
[[ -n $archives ]] || skip "apt knows no archive of '$codename' (apt-get update?)"

rm -rf "$base"
mkdir -p "$(dirname "$base")"
# An unreachable network is no fault of the packages.
if ! timeout "$LIMIT" mmdebstrap --variant=essential --include="$INCLUDED" "$codename" "$base" - \
  <<<"$archives" >"$base.log" 2>&1; then
  tail -n 5 "$base.log"
  skip "no base system can be had from apt's archives"
fi
echo "$INCLUDED" >"$base.complete"
