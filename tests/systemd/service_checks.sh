# shellcheck shell=bash disable=SC2317 # called by name: check
# The sandbox, the watchdog and restarts under load: sourced by checks.sh.

# ---- A file that the service cannot see ----

as_somebody=(setpriv --reuid 65533 --regid 65533 --clear-groups)
home=/home/somebody
install -d -m 0700 -o 65533 -g 65533 "$home"
daemon_uid() { ps -o uid= -p "$(main_pid)" | tr -d ' '; }
daemon_sees() {
  nsenter --mount --target "$(main_pid)" setpriv --reuid "$(daemon_uid)" --clear-groups ls "$1" >/dev/null
}
hides() { ! daemon_sees "$1"; }
runs_as_nobody_else() { [[ $(daemon_uid) -ge 61184 ]]; }  # DynamicUser's
knows_file_system() { grep -q " $(mountpoint -d "$1") " "/proc/$(main_pid)/mountinfo"; }

check "the service runs as a user of its own" runs_as_nobody_else
# Otherwise a check that always fails would show that all is hidden.
check "it sees where homes are" daemon_sees /home
check "and that their file system is a local one" knows_file_system /home
check "a private home is hidden from it" hides "$home"
# shellcheck disable=SC2016 # for the inner shell
check "and a file in there can be locked all the same" "${as_somebody[@]}" \
  locketctl run "$home/lock" -- sh -c '! flock -n "$1" true' sh "$home/lock"

# ---- systemctl restart under load ----

echo 0 >/tmp/counter
# A process that is let in beside another reads what the other is about to change.
# shellcheck disable=SC2016 # for the inner shell
increment='read -r n </tmp/counter; sleep 0.002; echo $((n + 1)) >/tmp/counter'
contend() {
  local i
  for ((i = 0; i < 40; i++)); do
    locketctl run --timeout 30 /tmp/load -- sh -c "$increment" || return 1
  done
}
contenders=()
for ((n = 0; n < 4; n++)); do
  contend &
  contenders+=($!)
done
restart_often() {
  local i
  for ((i = 0; i < 5; i++)); do
    systemctl restart locketd.service || return 1
    locketctl status >/dev/null || return 1
  done
}
all_got_their_turns() { local pid; for pid in "${contenders[@]}"; do wait "$pid" || return 1; done; }
counts() { [[ $(cat /tmp/counter) == "$1" ]]; }
check "the service is restarted five times while four contend" restart_often
check "each of them got all its turns" all_got_their_turns
check "and no two of them at a time" counts 160

# ---- The watchdog ----

is_watched() { [[ $(systemctl show -P WatchdogUSec locketd.service) =~ ^[1-9] ]]; }
check "the service has a watchdog" is_watched
mkdir -p /run/systemd/system/locketd.service.d
printf '[Service]\nWatchdogSec=1s\nLimitNOFILE=1024:4096\n' >/run/systemd/system/locketd.service.d/checks.conf
systemctl daemon-reload
check "the service is restarted, with a watchdog of a second and few descriptors" \
  systemctl restart locketd.service
has_status() { systemctl show -P StatusText locketd.service | grep -q '^sessions: '; }
check "it says how it does" until_works has_status
has_all_descriptors() { grep -q '^Max open files  *4096  *4096 ' "/proc/$(main_pid)/limits"; }
check "the sandbox lets it have as many descriptors as it may" has_all_descriptors
last_beat() { systemctl show -P WatchdogTimestampMonotonic locketd.service; }
# Twice the limit: a daemon without a heartbeat has been replaced by then.
has_outlived() { (($(last_beat) > $2 + 2000000)) && [[ $(main_pid) == "$1" ]]; }
check "a daemon that is well stays" until_works has_outlived "$(main_pid)" "$(last_beat)"
mkfifo /tmp/watched.orders
lock_program </tmp/watched.orders >/tmp/watched.answers &
exec 9>/tmp/watched.orders
echo 'lock /tmp/watched' >&9
check "a program holds a lock" until_works grep -q held /tmp/watched.answers
locketctl run /tmp/watched -- touch /tmp/watched.turn &
waiter=$!
counted() { locketctl list /tmp/watched --json | jq -c '.locks[0] | [(.holders | length), (.waiters | length)]'; }
is_as_before() { [[ $(counted) == '[1,1]' ]]; }
check "and another waits for it" until_works is_as_before
old=$(main_pid)
kill -STOP "$old"
check "a daemon that hangs is killed, and another takes its place" until_works is_new_daemon "$old"
check "which knows holder and waiter" until_works is_as_before
check "who has not got in" test ! -e /tmp/watched.turn
echo 'release /tmp/watched' >&9
check "and gets its turn when it is" wait "$waiter"
exec 9>&-
