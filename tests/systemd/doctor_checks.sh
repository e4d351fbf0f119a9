# shellcheck shell=bash disable=SC2317 # called by name: check
# What locketctl doctor says about an installed service: sourced by checks.sh.

doctor_says() { # STATE CHECK TEXT
  locketctl doctor --json | jq -e --arg state "$1" --arg check "$2" --arg text "$3" \
    '.checks[] | select(.check == $check) | .state == $state and (.text | startswith($text))'
}

check "the doctor finds no problem" locketctl doctor /tmp/doctors.lock
check "and no lock file of its own making" test ! -e /tmp/doctors.lock
check "and the machine's socket" doctor_says ok socket "/run/locket/locketd.sock, the machine's"
check "and its permissions" doctor_says ok permissions "the socket is root's, mode 0666"
check "an enabled socket is enabled" systemctl enable locketd.socket
check "which the doctor knows" doctor_says ok service "systemd keeps the socket, also after the next boot"
check "and disabled again" systemctl disable locketd.socket
check "which the doctor warns of" doctor_says warning service "systemd keeps the socket, but not after"
