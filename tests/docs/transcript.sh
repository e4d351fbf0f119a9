#!/usr/bin/env bash
# Checks that the demonstration shows what README says, except for numbers, folder and user.
#
# usage: tests/docs/transcript.sh BUILD

set -euo pipefail
tests=$(dirname "${BASH_SOURCE[0]}")/..

shown=$("$tests/demo.sh" "$1")
alike() {
  sed -E -e "s/\b$(id -un)\b/root/g" -e 's|/tmp/[^/]*/|/tmp/demo/|g' -e 's/[0-9]+(\.[0-9]+)?/N/g' -e 's/ +/ /g' |
    grep .
}
in_readme() { awk '/^```/ { if (shown++) exit; next } shown' "$tests/../README.md"; }
diff <(in_readme | alike) <(alike <<<"$shown")
