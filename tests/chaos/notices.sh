#!/bin/sh
# Shows that the checkers can fail: what is broken on purpose must be reported, also by the exit
# status.
# notices.sh BREACH LOCKET_CHAOS [OPTIONS...]

breach=$1
shift
output=$("$@")
status=$?
printf '%s\n' "$output"
[ "$status" -eq 1 ] && printf '%s\n' "$output" | grep -q " s  $breach: "
