#!/usr/bin/env bash
# shellcheck disable=SC2317 # called by name: trap, check
# What must hold under the real systemd. Runs as root in the system that boot.sh boots.

set -u
PATH=$PATH:/usr/local/sbin:/usr/local/bin
# shellcheck source=tests/support/check.sh
source "${BASH_SOURCE[0]%/*}/check.sh"

main_pid() { systemctl show -P MainPID locketd.service | grep -vx 0; }  # none while there is none
is_status_pid() { local pid; pid=$(main_pid) && [[ $(locketctl status --json | jq .pid) == "$pid" ]]; }
excludes_flock() { locketctl run /tmp/lock -- sh -c '! flock -n /tmp/lock true'; }

is_in_state() { [[ $(systemctl is-active locketd.service) == "$1" ]]; }

check "the socket is there before the service" test -S /run/locket/locketd.sock
check "everybody may connect" test "$(stat -c %a /run/locket/locketd.sock)" = 666
check "the service has not been started" is_in_state inactive
check "the first client starts it" until_works locketctl status
check "and is answered by the service's main process" is_status_pid
check "a lock excludes flock(1)" excludes_flock
check "an unprivileged user is served" setpriv --reuid 65534 --regid 65534 --clear-groups \
  locketctl run /tmp/nobodys -- true
check "systemctl stop ends it" systemctl stop locketd.service
check "and it is gone" until_works is_in_state inactive
check "the next client starts it again" excludes_flock

# ---- What a command holds under a daemon that dies (C9) ----

locketctl run --reason 'while it dies' /tmp/kept -- sh -c 'echo $$ >/tmp/kept.pid; exec sleep 1000' &
row() { locketctl list /tmp/kept --json | jq -c '.locks[0].holders[0] | [.pid, .command, .reason, .token]'; }
since() { locketctl list /tmp/kept --json | jq '.locks[0].holders[0].since'; }
holds() { [[ -s /tmp/kept.pid && $(row) == "[$(cat /tmp/kept.pid),"* ]]; }
is_new_daemon() { local now; now=$(main_pid); [[ -n $now && $now != "$1" ]]; }
# To a tenth of a second: ages and times of day come from different clocks.
is_same_holder() { [[ $(row) == "$1" ]] && jq -en "($(since)) - ($2) | fabs < 0.1"; }
is_free() { flock -n /tmp/kept true; }
is_taken() { ! is_free; }
knows_nobody() { [[ $(locketctl list --json | jq '.locks | length') == 0 ]]; }

check "a command holds a lock" until_works holds
before=$(row)
began=$(since)
for way in SIGKILL restart SIGKILL; do
  old=$(main_pid)
  if [[ $way == restart ]]; then
    check "the daemon is restarted" systemctl restart locketd.service
  else
    check "the daemon is killed" kill -KILL "$old"
  fi
  check "another takes its place" until_works is_new_daemon "$old"
  check "and knows the command's lock: pid, command, reason, token and time" until_works is_same_holder "$before" "$began"
  check "which nobody else gets" is_taken
done
check "the command ends" kill "$(cat /tmp/kept.pid)"
check "and its lock is free" until_works is_free
check "and nobody is listed" until_works knows_nobody

rm -f /tmp/kept.pid
locketctl run /tmp/kept -- sh -c 'echo $$ >/tmp/kept.pid; sleep 1000 & exec sleep 1000' &
check "a command holds a lock, and so does a child of it" until_works holds
old=$(main_pid)
kill -STOP "$old"  # so that it cannot notice
kill "$(cat /tmp/kept.pid)"
kill -KILL "$old"
check "a command that ended while no daemon was there holds nothing" until_works is_free
check "and nobody is listed" until_works knows_nobody

# This program too is kept for the next daemon, but it reclaims by itself, since its exec failed.
mkfifo /tmp/orders
lock_program </tmp/orders >/tmp/answers &
exec 9>/tmp/orders
answered() { grep -q "$1" /tmp/answers; }
holders() { locketctl list /tmp/back --json | jq '[.locks[].holders[]] | length'; }
has_one_holder() { [[ $(holders) == 1 ]]; }
printf '%s\n' 'lock /tmp/back' 'become /tmp/back /nowhere' >&9
check "a program stays what it is when it cannot become another" until_works answered 'still here'
old=$(main_pid)
check "its daemon is killed" kill -KILL "$old"
check "another takes its place" until_works is_new_daemon "$old"
check "and knows one holder, not two" until_works has_one_holder
echo 'release /tmp/back' >&9
check "the program releases" until_works answered released
check "and nobody is listed, although it lives" until_works knows_nobody
check "and the lock can be had" locketctl run -n /tmp/back -- true
check "its daemon is restarted while it lives" systemctl restart locketd.service
nothing_is_missed() { knows_nobody && ! journalctl -u locketd --quiet LOCKET_EVENT=lock_lost | grep .; }
check "and misses nothing of it" nothing_is_missed
exec 9>&-

# shellcheck source=tests/systemd/service_checks.sh
source "${BASH_SOURCE[0]%/*}/service_checks.sh"
# shellcheck source=tests/systemd/journal_checks.sh
source "${BASH_SOURCE[0]%/*}/journal_checks.sh"
# shellcheck source=tests/systemd/config_checks.sh
source "${BASH_SOURCE[0]%/*}/config_checks.sh"
# shellcheck source=tests/systemd/doctor_checks.sh
source "${BASH_SOURCE[0]%/*}/doctor_checks.sh"
# shellcheck source=tests/systemd/sandbox_checks.sh
source "${BASH_SOURCE[0]%/*}/sandbox_checks.sh"

# shellcheck source=tests/systemd/user_checks.sh
source "${BASH_SOURCE[0]%/*}/user_checks.sh"

# shellcheck source=tests/systemd/readme_checks.sh
source "${BASH_SOURCE[0]%/*}/readme_checks.sh"

((failures == 0)) || systemctl status --no-pager locketd.service locketd.socket
exit $((failures != 0))
