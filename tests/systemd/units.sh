#!/usr/bin/env bash
# systemd-analyze(1) must have no objection to the units, and give the machine's service a sandbox
# exposure of at most 0.6 (of 10). Status 77 (skipped) without systemd-analyze.
#
# usage: tests/systemd/units.sh BUILD_FOLDER

set -euo pipefail

command -v systemd-analyze >/dev/null || {
  echo "skipped: there is no systemd-analyze here"
  exit 77
}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
DESTDIR=$work cmake --install "$1" --component locketd >/dev/null
daemon=$(find "$work" -type f -name locketd -path '*/sbin/*')

# A user's manager has this variable.
export XDG_RUNTIME_DIR=$work/run
mkdir -m 0700 "$XDG_RUNTIME_DIR"

# "locketd-session.UID.NANOSECONDS.SESSION.file-63:" (kept_sessions), and execve(2)'s MAX_ARG_STRLEN.
readonly NAME=76 STRING=131072
failures=0
for manager in system user; do
  folder=$(dirname "$(find "$work" -path "*/systemd/$manager/locketd.service")")
  # The daemon's current place, so that it exists.
  sed -i "s|^ExecStart=.*|ExecStart=$daemon|" "$folder/locketd.service"
  options=(--man=no --recursive-errors=no)
  [[ $manager == system ]] || options+=(--user)
  store=$(sed -n 's/^FileDescriptorStoreMax=//p' "$folder/locketd.service")
  if ((store == 0 || store * NAME >= STRING)); then
    echo "$manager: the names of $store kept descriptors are too long for execve(2)"
    failures=$((failures + 1))
  fi
  # Errors in the machine's other units do not matter here.
  status=0
  said=$(systemd-analyze verify "${options[@]}" "$folder/locketd.service" "$folder/locketd.socket" 2>&1) ||
    status=$?
  if ((status)) || grep -qF locketd <<<"$said"; then
    printf '%s: %s\n' "$manager" "$said"
    failures=$((failures + 1))
  fi
done

service=$(find "$work" -path '*/systemd/system/locketd.service')
systemd-analyze security --offline=true --threshold=6 "$service" >"$work/exposure" || {
  cat "$work/exposure"
  failures=$((failures + 1))
}
tail -n 1 "$work/exposure"
exit $((failures != 0))
