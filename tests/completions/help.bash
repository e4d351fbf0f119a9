# shellcheck shell=bash
# What --help lists.

options_of() { # PROGRAM [COMMAND]
  "$@" --help | sed -nE 's/^ +(-)/\1/p' | sed -E 's/ (Excludes|Needs):.*//; s/  .*//' |
    grep -oE -- '(^|[ ,])--?[A-Za-z][A-Za-z-]*' | tr -d ' ,'
}

commands_of() { # PROGRAM
  "$1" --help | sed -n '/^Subcommands:/,/^$/s/^  \([a-z]*\) .*/\1/p'
}
