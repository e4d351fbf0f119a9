#!/usr/bin/env bash
# The units as systemd-analyze(1) sees them: it has no objection, and the machine's service is in a
# sandbox of at most 0.6 "exposure" (of 10). Status 77, skipped, where there is no systemd-analyze.
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

failures=0
for manager in system user; do
  folder=$(dirname "$(find "$work" -path "*/systemd/$manager/locketd.service")")
  # Where it is now, so that it is there.
  sed -i "s|^ExecStart=.*|ExecStart=$daemon|" "$folder/locketd.service"
  options=(--man=no)
  [[ $manager == system ]] || options+=(--user)
  said=$(systemd-analyze verify "${options[@]}" "$folder/locketd.service" "$folder/locketd.socket" 2>&1) ||
    failures=$((failures + 1))
  said=$(grep -F locketd <<<"$said" || true)
  if [[ -n $said ]]; then
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
