#!/usr/bin/env bash
# shellcheck disable=SC2317 # called by name: check
# What must hold of the packages in a system where they are installed. Runs there, as root.
#
# usage: checks.sh without_systemd | with_systemd

set -u
unit=locketd.service
socket=/run/locket/locketd.sock
# shellcheck source=SCRIPTDIR/../support/check.sh
source "${BASH_SOURCE[0]%/*}/check.sh"
readme=${BASH_SOURCE[0]%/*}/README.md
# shellcheck source=SCRIPTDIR/../support/readme.sh
source "${BASH_SOURCE[0]%/*}/readme.sh"

not() { ! "$@"; }

install_packages() { dpkg -i /packages/*.deb; }
# In a folder that looks as if ./dev packages had been run there.
install_as_readme_says() (
  mkdir -p /tmp/tree/build-packages && cd /tmp/tree && ln -sfn /packages build-packages/packages &&
    play '## Install it' 'sudo apt install'
)
remove_packages() { dpkg -r locketd liblocket-dev liblocket0; }
purge_packages() { dpkg -P locketd liblocket-dev liblocket0; }
# All files except those that dpkg and a running system write for themselves.
list_files() {
  find / -xdev \( -path /packages -o -path /var/lib/dpkg -o -path /var/lib/apt -o -path /var/log -o -path /var/cache \
    -o -path /var/lib/systemd/catalog -o -path /tmp -o -path /run \) -prune -o -print | sort
}
is_as_before() { # LISTING
  list_files | diff "$1" - && not compgen -G '/run/*locket*'
}
nothing_of_theirs_is_there() {
  [[ -z $(find / /run -xdev -path /packages -prune -o -name '*locket*' -print | tee /dev/stderr) ]]
}
is_enabled() { [[ $(systemctl is-enabled locketd.socket) == enabled ]]; }
is_installed() { [[ $(dpkg-query -W -f '${db:Status-Status}' "$1") == installed ]]; }

# As in a container image that is being built.
without_systemd() {
  list_files >/tmp/before
  check "they install, by apt" install_as_readme_says
  check "the socket is enabled" is_enabled
  check "its own library is found" /packages/locker
  check "they are installed again" install_packages
  check "the administrator disables the socket" systemctl disable locketd.socket
  check "they are installed again" install_packages
  check "and it stays disabled" not is_enabled
  check "they are removed" remove_packages
  check "and installed again" install_packages
  check "and the socket is still disabled" not is_enabled
  check "they are purged" purge_packages
  check "and nothing is left" is_as_before /tmp/before
  check "they are installed for the next boot" install_packages
  check "and the socket is enabled" is_enabled
}

is_in_state() { [[ $(systemctl is-active "$1") == "$2" ]]; }
main_pid() { systemctl show -P MainPID "$unit" | grep -vx 0; }
is_new_daemon() { local now; now=$(main_pid); [[ -n $now && $now != "$1" ]]; }
excludes_flock() { locketctl run /tmp/lock -- sh -c '! flock -n /tmp/lock true'; }
holder() { locketctl list /tmp/kept --json | grep -oE '"(pid|token)": [0-9]+'; }
holds() { [[ $(holder) == *"\"pid\": $1"* ]]; }
is_same_holder() { [[ $(holder) == "$1" ]]; }
is_taken() { not flock -n /tmp/kept true; }

with_systemd() {
  local before daemon inode

  check "the socket has come up with the system" is_in_state locketd.socket active
  check "and the service has not" is_in_state $unit inactive
  check "the first client starts it" excludes_flock
  check "an unprivileged user is served" setpriv --reuid 65534 --regid 65534 --clear-groups \
    locketctl run /tmp/nobodys -- true

  mkfifo /tmp/orders
  /packages/locker /tmp/kept </tmp/orders >/tmp/answers &
  local locker=$!
  exec 9>/tmp/orders
  check "a program holds a lock" until_works holds "$locker"
  before=$(holder) daemon=$(main_pid) inode=$(stat -c %i $socket)
  check "an upgrade" install_packages
  check "starts another daemon" until_works is_new_daemon "$daemon"
  check "which knows the holder" until_works is_same_holder "$before"
  check "whom nobody else gets the lock from" is_taken
  check "and the socket has been there all the time" test "$(stat -c %i $socket)" = "$inode"

  check "they are removed" remove_packages
  check "the socket and its folder are gone" not test -e "${socket%/*}"
  check "the service has ended" is_in_state $unit inactive
  check "the lock is still held" is_taken
  echo >&9
  exec 9>&-
  check "until its holder ends" wait "$locker"
  check "then it is free" not is_taken
  printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d
  chmod +x /usr/sbin/policy-rc.d
  check "they are installed where the administrator wants nothing started" install_packages
  check "and nothing is" is_in_state locketd.socket inactive
  rm /usr/sbin/policy-rc.d
  check "they are removed" remove_packages
  check "they are installed into the running system, by apt" install_as_readme_says
  check "the socket is there at once" test -S $socket
  check "and a lock works" excludes_flock
  check "and the doctor finds no problem" play '## Install it' 'locketctl doctor'

  check "the administrator wants none of it" systemctl disable --now locketd.socket $unit
  check "they are upgraded" install_packages
  check "and it stays off" is_in_state locketd.socket inactive
  check "they are purged" purge_packages
  check "and nothing of theirs is left" nothing_of_theirs_is_there
  check "no unit of theirs has failed" test -z "$(systemctl list-units --all --no-legend 'locketd*')"
}

"$1"
if ((failures)); then
  systemctl status --no-pager $unit locketd.socket 2>&1 | head -n 40
  exit 1
fi
