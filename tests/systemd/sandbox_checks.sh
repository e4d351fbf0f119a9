# shellcheck shell=bash disable=SC2317 # called by name: check
# The units' hardening is in force: another program under the very same settings tries what the
# services may not do. Sourced by checks.sh.

install -m 0755 /mnt/sandbox_probe.sh /run/
install -d -m 1777 /run/probes

# Reports what a service that differs from this one only in its program can do.
probe() { # UNIT_FOLDER SYSTEMCTL...
  local folder=$1 unit=probe.service
  sed -e '/^\(Requires\|After\|Restart.*\|WatchdogSec\|FileDescriptorStoreMax\)=/d' \
    -e 's|^Type=.*|Type=oneshot|' -e 's|^ExecStart=.*|ExecStart=/bin/bash /run/sandbox_probe.sh|' \
    -e '/^\[Service\]/a StandardOutput=file:/run/probes/said' \
    "$folder/locketd.service" >"$folder/$unit"
  rm -f /run/probes/said
  "${@:2}" daemon-reload && "${@:2}" start "$unit" && [[ -e /run/probes/said ]]
}
can_nothing() { # WHO, whose possibilities without the unit are in /run/probes/WHO
  local left
  left=$(comm -12 <(sort "/run/probes/$1") <(sort /run/probes/said))
  echo "still possible: $left"
  [[ -z $left ]]
}
# Otherwise a probe that always fails would show that all is forbidden, and so would a kernel or a
# container that forbids it anyway.
can_much() { # WHO WORD...
  local word
  for word in "${@:2}"; do grep -qx "$word" "/run/probes/$1" || return 1; done
}

setpriv --reuid 65534 --regid 65534 --clear-groups bash /run/sandbox_probe.sh >/run/probes/nobody
bash /run/sandbox_probe.sh >/run/probes/root

check "without a sandbox, an unprivileged user can do this and that" \
  can_much nobody use-network be-idle make-readable set-suid change-personality gain-privileges map-writable-code
check "a program in the service's sandbox runs" probe /etc/systemd/system systemctl
check "and can do nothing of it" can_nothing nobody

is_set_to() { # PROPERTY PATTERN
  local value
  value=$(systemctl show -P "$1" locketd.service)
  echo "$1=$value"
  [[ $value =~ $2 ]]
}
check "no address may be talked to" is_set_to IPAddressDeny '^(0\.0\.0\.0/0 ::/0|::/0 0\.0\.0\.0/0)$'
check "and none listened at" is_set_to SocketBindDeny '^any$'
