# shellcheck shell=bash disable=SC2317 # called by name: check
# For scripts that make many checks and report each: to be sourced.

failures=0
said=${said:-/tmp/said} # what the current check has printed

check() { # TEXT COMMAND...
  if "${@:2}" >"$said" 2>&1; then
    echo "ok: $1"
  else
    echo "FAILED: $1"
    sed 's/^/  /' "$said"
    failures=$((failures + 1))
  fi
}

until_works() { # COMMAND...
  local deadline=$((SECONDS + 10))
  until "$@"; do
    ((SECONDS < deadline)) || return 1
  done
}
