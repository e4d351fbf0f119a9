# shellcheck shell=bash disable=SC2317 # called by name: check
# What the journal must record about clients, beyond the text: sourced by checks.sh.

as_nobody=(setpriv --reuid 65534 --regid 65534 --clear-groups)

# Entries of this event as pid, user, path and priority, one a line. Having none is no error.
entries() { # EVENT
  journalctl --quiet --no-pager -o json LOCKET_EVENT="$1" |
    jq -r 'select(._SYSTEMD_UNIT == "locketd.service" and .SYSLOG_IDENTIFIER == "locketd") |
      "\(.LOCKET_PID) \(.LOCKET_UID) \(.LOCKET_PATH) \(.PRIORITY)"'
}
has_entry() { # EVENT PID UID PATH PRIORITY
  entries "$1" | grep -qxF "$2 $3 $4 $5"
}
has_text() { journalctl --quiet --no-pager -u locketd.service -p info | grep -qF "$1"; }

mkfifo /tmp/nobodys.orders
"${as_nobody[@]}" lock_program </tmp/nobodys.orders >/tmp/nobodys.answers &
holder=$!
exec 9>/tmp/nobodys.orders
echo 'lock /tmp/journal.lock' >&9
check "a user's program holds a lock" until_works grep -q held /tmp/nobodys.answers
check "and is killed" kill -KILL "$holder"
exec 9>&-
check "the journal has the lock taken away, with pid, user, path and priority" \
  until_works has_entry lock_taken_away "$holder" 65534 /tmp/journal.lock 6
check "and its text" has_text "lock taken away: pid $holder, user 65534, path /tmp/journal.lock: "

# shellcheck disable=SC2016 # for the inner shell
stranger=$("${as_nobody[@]}" sh -c 'echo $$; exec nc -N -U /run/locket/locketd.sock >/dev/null' <<<'GET /')
check "the journal has a client refused, with pid, user and priority" \
  until_works has_entry request_refused "$stranger" 65534 null 4
check "and what has no fields has a priority all the same" has_text "listens on /run/locket/locketd.sock"
