#!/usr/bin/env bash
# Checks that a shell completes locketctl and locketd, with exactly the options that they have.
#
#   checks.sh SHELL BIN    BIN: the folder of the programs

set -euo pipefail
shell=$1
bin=$2
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=/dev/null
source "$here/help.bash"
scripts=$(cd "$here/../../client/ctl/completions" && pwd)

if ! command -v "$shell" >/dev/null; then
  echo "skipped: there is no $shell here"
  exit 77
fi

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
mkdir home
export HOME=$folder/home TERM=dumb PATH="$bin:$PATH"
touch alpha.lock beta.lock

failures=0
fail() {
  printf 'FAILED: %s\n' "$*"
  failures=$((failures + 1))
}

# ---- What the shell offers for a line: one word a line, without what is before an = ----

offered() { # LINE
  case $shell in
    bash) bash --norc "$here/offered.bash" "$scripts" "$1" ;;
    zsh) zsh -f "$here/offered.zsh" "$scripts" "$1" ;;
    fish)
      fish --no-config -c "source $scripts/locketctl.fish; source $scripts/locketd.fish
        complete -C \$argv[1]" "$1" | cut -f 1
      ;;
  esac | sed 's/^--[a-z-]*=\(.\)/\1/; s/[ =]*$//' | sort -u
}

expect() { # LINE WORDS...
  local wanted found
  found=$(offered "$1")
  wanted=$(printf '%s\n' "${@:2}" | sort -u)
  [[ $found == "$wanted" ]] || fail "'$1' offers <${found//$'\n'/ }>, not <${wanted//$'\n'/ }>"
}

expect_among_others() { # LINE WORD
  grep -qxF -- "$2" <<<"$(offered "$1")" || fail "'$1' does not offer $2"
}

# ---- The checks ----

mapfile -t names < <(commands_of locketctl)
((${#names[@]} >= 3)) || fail "locketctl --help lists no commands"
expect 'locketctl ' "${names[@]}"

check_options() { # PROGRAM [COMMAND]
  local options
  mapfile -t options < <(options_of "$@")
  ((${#options[@]} >= 3)) || fail "$* --help lists no options"
  expect "$* -" "${options[@]}"
}
check_options locketd
check_options locketctl
for name in "${names[@]}"; do check_options locketctl "$name"; done

expect 'locketctl st' status
expect 'locketctl status alp' ''
expect 'locketctl list alp' alpha.lock
expect 'locketctl doctor alp' alpha.lock
expect 'locketctl list alpha.lock bet' beta.lock
expect 'locketctl run alp' alpha.lock
expect 'locketctl run -n alp' alpha.lock
expect 'locketctl run -w 5 alp' alpha.lock
expect 'locketctl run --reason nightly alp' alpha.lock
expect 'locketctl run --timeout=5 --ver' --verbose
expect 'locketctl run -w ' ''
expect_among_others 'locketctl run alpha.lock ech' echo
expect_among_others 'locketctl run -w 5 alpha.lock -- ech' echo
expect 'locketctl run alpha.lock cat bet' beta.lock
expect 'locketctl run alpha.lock -- cat bet' beta.lock
expect 'locketctl run alpha.lock -c bet' ''

expect 'locketd --log-level ' error warning info debug
expect 'locketd --log-level=' error warning info debug
expect 'locketd --log-level d' debug
expect 'locketd --config alp' alpha.lock
expect 'locketd --max-held-per-user ' ''
expect 'locketd --max-text-per-user ' ''
expect 'locketd --max-descriptors-per-user ' auto

((failures == 0)) && echo "ok: $shell"
