#!/usr/bin/env bash
# shellcheck disable=SC2317 # called by name: trap
# Installs the packages into a separate system, without a running systemd and with one, and removes
# them again: checks.sh says what must hold. Status 77 (skipped) if that is not possible.
#
# usage: tests/packages/install.sh FOLDER_OF_PACKAGES

set -euo pipefail
packages=$1
here=$(realpath "$(dirname "${BASH_SOURCE[0]}")")
# shellcheck source=SCRIPTDIR/skip.sh
source "$here/skip.sh"
readonly LIMIT=120

need_packages "$packages"
packages=$(realpath "$packages")
((EUID == 0)) || skip "only root may install a system"
need_program pkg-config c++ dpkg-deb
cgroup2=$(findmnt -n -t cgroup2 -o TARGET | head -n 1)
[[ -n $cgroup2 ]] || skip "there is no cgroup2 mount here"
namespaces=(--cgroup --mount --pid --fork --uts --ipc --net)
# Refused in most containers.
refusal=$(unshare "${namespaces[@]}" true 2>&1) || skip "$refusal"
cgroup=$cgroup2/locket-install-$$
mkdir "$cgroup" 2>/dev/null || skip "no cgroup may be made under $cgroup2"

work=$(mktemp -d -t locket-install.XXXXXX)
cleanup() {
  # Its cgroup is empty by now except for those that systemd made in it.
  find "$cgroup" -depth -type d -exec rmdir {} + 2>/dev/null || true
  rm -rf "$work"
}
trap cleanup EXIT

base=$(dirname "$packages")/base
"$here/base.sh" "$base"
root=$work/root
cp -a --reflink=auto "$base" "$root"
mkdir "$root/packages"
cp "$packages"/*.deb "$here/checks.sh" "$here/../support"/{check,readme}.sh "$here/../../README.md" "$root/packages/"

# A program built with what the packages contain, to run with what they install.
for package in "$packages"/liblocket*.deb; do dpkg-deb -x "$package" "$work/sdk"; done
PKG_CONFIG_PATH=$(dirname "$(find "$work/sdk" -name locket.pc)")
export PKG_CONFIG_PATH
# shellcheck disable=SC2046 # the flags are many
c++ -std=c++17 "$here/locker.cpp" -o "$root/packages/locker" $(pkg-config --cflags --libs locket)

# Runs in the new namespaces, as their first process. Has only those devices of the machine that any
# container has.
# shellcheck disable=SC2016 # its variables are its own
enter='
  set -e
  root=$1
  shift
  mount --make-rprivate /
  mount --bind "$root" "$root"
  cd "$root"
  mount -t proc proc proc
  mount -t sysfs -o ro sysfs sys
  mount -t cgroup2 cgroup2 sys/fs/cgroup
  mount -t tmpfs -o mode=0755 tmpfs dev
  for device in null zero full random urandom tty; do
    touch "dev/$device"
    mount --bind "/dev/$device" "dev/$device"
  done
  mkdir dev/shm dev/pts
  ln -s /proc/self/fd dev/fd
  ln -s pts/ptmx dev/ptmx  # PrivateDevices= makes no /dev without one
  mount -t tmpfs -o mode=0755 tmpfs run
  mount -t tmpfs -o mode=1777 tmpfs tmp
  pivot_root . mnt
  umount -l mnt
  exec env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin container=locket-test "$@"
'
within() { # COMMAND...
  local status=0
  (
    echo "$BASHPID" >"$cgroup/cgroup.procs"
    exec timeout -k 2 "$LIMIT" unshare --kill-child=KILL "${namespaces[@]}" \
      bash -c "$enter" enter "$root" "$@" </dev/null
  ) || status=$?
  return "$status"
}

within bash /packages/checks.sh without_systemd

cat >"$root/etc/systemd/system/checks.target" <<'UNIT'
[Unit]
Requires=basic.target checks.service
After=basic.target
UNIT
cat >"$root/etc/systemd/system/checks.service" <<'UNIT'
[Unit]
After=basic.target
[Service]
Type=oneshot
ExecStart=/bin/sh -c 'bash /packages/checks.sh with_systemd >/packages/output 2>&1; systemctl exit $?'
UNIT
status=0
within /lib/systemd/systemd --system --unit=checks.target --log-target=null --show-status=no \
  >"$work/console" 2>&1 || status=$?
if [[ -f $root/packages/output ]]; then
  cat "$root/packages/output"
else
  echo "systemd did not come up:"
  cat "$work/console"
fi
exit "$status"
