#!/usr/bin/env bash
# Checks that the completions are installed where the shells look for them, and that each file names
# exactly the long options of its program.
#
#   files.sh BUILD

set -euo pipefail
build=$1
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=/dev/null
source "$here/help.bash"
PATH=$build/bin:$PATH

root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
failures=0
fail() {
  printf 'FAILED: %s\n' "$*"
  failures=$((failures + 1))
}

cmake --install "$build/client/ctl" --prefix "$root" >"$root/log" || { cat "$root/log"; exit 1; }

long_options() { # PROGRAM: its own and its commands'
  local command
  {
    options_of "$1"
    for command in $(commands_of "$1"); do options_of "$1" "$command"; done
  } | grep '^--' | sort -u
}

check() { # PROGRAM FILE [PATTERN]: the pattern makes an option of what the file has for one
  local wanted found file=$root/share/$2
  if [[ ! -f $file ]]; then
    fail "$2 is not installed"
    return
  fi
  wanted=$(long_options "$1")
  found=$(grep -v '^ *#' "$file" | sed -E "${3:-}" | grep -oE -- '--[a-z][a-z-]+' | sort -u)
  [[ $found == "$wanted" ]] || fail "$2 differs from the help:
$(diff <(echo "$wanted") <(echo "$found"))"
}

for program in locketctl locketd; do
  check "$program" "bash-completion/completions/$program"
  check "$program" "zsh/site-functions/_$program"
  check "$program" "fish/vendor_completions.d/$program.fish" '/^complete /!d; s/ -l ([a-z-]+)/ --\1/'
done
((failures == 0)) && echo "ok"
