#!/usr/bin/env bash
# Sourced by the tests beside it: the message and exit status when they cannot run.

skip() { # REASON
  echo "skipped: $1"
  exit 77  # as automake has it
}

need_program() { # NAME...
  local name
  for name in "$@"; do
    command -v "$name" >/dev/null || skip "there is no $name here"
  done
}

need_packages() { # FOLDER
  compgen -G "$1/*.deb" >/dev/null || skip "no packages have been made in $1"
}
