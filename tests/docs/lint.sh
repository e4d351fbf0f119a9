#!/bin/sh
# Checks that each manual page is there and that mandoc(1) finds nothing wrong. 77 (skipped) without
# mandoc.
#
# usage: tests/docs/lint.sh PAGE...

command -v mandoc >/dev/null || {
  echo 'skipped: there is no mandoc(1) here'
  exit 77
}
said=$(mandoc -Tlint -Wwarning "$@" 2>&1)
printf '%s' "$said"
[ -z "$said" ]
