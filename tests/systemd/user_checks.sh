# shellcheck shell=bash disable=SC2317 # called by name: check
# The user's units, under a user's manager: sourced by checks.sh.

# A user's manager, as user@.service would start it if there were a login service here.
install -d -m 0700 /run/user/0
export XDG_RUNTIME_DIR=/run/user/0
check "a user's manager starts" systemd-run --quiet --unit=manager --property=Delegate=yes \
  --setenv=XDG_RUNTIME_DIR=$XDG_RUNTIME_DIR /lib/systemd/systemd --user
check "and takes orders" until_works systemctl --user is-system-running --wait
check "a user's socket starts" systemctl --user start locketd.socket
check "only that user may connect" test "$(stat -c %a /run/user/0/locket/locketd.sock)" = 600
# shellcheck disable=SC2016 # for the inner shell
check "a user's own daemon is found before the machine's" sh -c \
  '[ "$(locketctl status --json | jq -r .socket)" = /run/user/0/locket/locketd.sock ]'

# ---- As for the machine's service ----

user_pid() { systemctl --user show -P MainPID locketd.service | grep -vx 0; }
is_new_user_daemon() { local now; now=$(user_pid); [[ -n $now && $now != "$1" ]]; }
has_user_limit() { [[ $(systemctl --user show -P LimitNOFILE locketd.service) == 524288 ]]; }
is_users_watched() { [[ $(systemctl --user show -P WatchdogUSec locketd.service) =~ ^[1-9] ]]; }
holds_again() { [[ $(locketctl list /tmp/users --json | jq '.locks[0].holders[0].pid') == "$1" ]]; }

check "a user's service has a watchdog" is_users_watched
check "it may have as many descriptors as the machine's" has_user_limit
mkdir -p /run/user/0/systemd/user/locketd.service.d
printf '[Service]\nWatchdogSec=1s\n' >/run/user/0/systemd/user/locketd.service.d/checks.conf
systemctl --user daemon-reload
check "a user's service is restarted, with a watchdog of a second" systemctl --user restart locketd.service
locketctl run /tmp/users -- sleep 1000 &
holder=$!
check "a command holds a lock under it" until_works holds_again "$holder"
old=$(user_pid)
kill -STOP "$old"
check "a user's daemon that hangs is killed, and another takes its place" until_works is_new_user_daemon "$old"
check "which knows the command's lock" until_works holds_again "$holder"
kill "$holder"

check "a program in the sandbox of a user's service runs" probe /etc/systemd/user systemctl --user
check "and can do nothing of what its user can" can_nothing root
check "who can do most of it" can_much root use-network be-idle make-readable set-suid change-personality give-files-away map-writable-code
