#!/usr/bin/env bash
# shellcheck disable=SC2317 # called by name: trap, check
# Boots the real systemd in separate namespaces, with the installed units, and runs checks.sh there
# as root. Status: that of checks.sh; 77 (skipped, see automake) if not permitted, as without root.
#
# usage: tests/systemd/boot.sh BUILD_FOLDER
#
# The machine's own systemd, /home, /srv, /run and /tmp are not touched: all are mounted over in a
# private mount namespace, and the timeout ends whatever was started.

set -euo pipefail

build=$(realpath "$1")
here=$(realpath "$(dirname "${BASH_SOURCE[0]}")")
readonly SKIPPED=77 LIMIT=90

skip() {
  echo "skipped: $*"
  exit "$SKIPPED"
}

((EUID == 0)) || skip "only root may boot a systemd"
[[ -x /lib/systemd/systemd ]] || skip "there is no systemd here"
cgroup2=$(findmnt -n -t cgroup2 -o TARGET | head -n 1)
[[ -n $cgroup2 ]] || skip "there is no cgroup2 mount here"
namespaces=(--cgroup --mount --pid --fork --uts --ipc --mount-proc)
# Refused in most containers.
refusal=$(unshare "${namespaces[@]}" true 2>&1) || skip "$refusal"

work=$(mktemp -d -t locket-systemd.XXXXXX)
cgroup=$cgroup2/locket-test-$$
cleanup() {
  # Its cgroup is empty by now except for those that systemd made in it.
  find "$cgroup" -depth -type d -exec rmdir {} + 2>/dev/null || true
  rm -rf "$work"
}
trap cleanup EXIT

cmake --install "$build" --prefix "$work/prefix" >/dev/null
cp "$here"/*checks.sh "$here/sandbox_probe.sh" "$here/../support"/{check,readme}.sh "$here/../../README.md" "$work/"
cp "$build/bin/lock_program" "$work/prefix/bin/"

cat >"$work/checks.target" <<'UNIT'
[Unit]
Requires=sysinit.target locketd.socket checks.service
After=sysinit.target locketd.socket
UNIT
cat >"$work/checks.service" <<'UNIT'
[Unit]
DefaultDependencies=no
After=sysinit.target locketd.socket
[Service]
Type=oneshot
ExecStart=/bin/sh -c 'bash /mnt/checks.sh >/mnt/output 2>&1; systemctl exit $?'
UNIT

# LeakSanitizer inspects its process with ptrace(2), which the sandbox forbids, and then fails.
# Without a sanitizer this variable has no effect.
cat >"$work/sanitizer.conf" <<'UNIT'
[Service]
Environment=ASAN_OPTIONS=detect_leaks=0
UNIT

# Runs in the new namespaces, as their first process.
# shellcheck disable=SC2016 # its variables are its own
boot='
  set -e
  work=$1
  mount --make-rprivate /
  mount --bind "$work" /mnt
  prefix=$(sed -n "s|^ExecStart=\(.*\)/sbin/locketd.*|\1|p" /mnt/prefix/lib/systemd/system/locketd.service)
  cp -a /etc /mnt/etc
  mount --bind /mnt/etc /etc
  for folder in /home /root /srv /run /tmp /var/tmp /var/log /etc/systemd/system /etc/systemd/user; do
    mount -t tmpfs -o mode=0755 tmpfs "$folder"
  done
  chmod 1777 /tmp /var/tmp
  # The prefix may be below one of them.
  mkdir -p "$prefix"
  mount --bind /mnt/prefix "$prefix"
  cp /mnt/prefix/lib/systemd/system/* /mnt/checks.* /etc/systemd/system/
  cp /mnt/prefix/lib/systemd/user/* /etc/systemd/user/
  for manager in system user; do
    mkdir "/etc/systemd/$manager/locketd.service.d"
    cp /mnt/sanitizer.conf "/etc/systemd/$manager/locketd.service.d/"
  done
  umount -R /sys/fs/cgroup || true
  mount -t cgroup2 cgroup2 /sys/fs/cgroup
  export container=locket-test
  exec /lib/systemd/systemd --system --unit=checks.target --log-target=null --show-status=no
'

mkdir "$cgroup" 2>/dev/null || skip "no cgroup may be made under $cgroup2"
status=0
(
  echo "$BASHPID" >"$cgroup/cgroup.procs"
  exec timeout -k 2 "$LIMIT" unshare --kill-child=KILL "${namespaces[@]}" \
    bash -c "$boot" boot "$work" </dev/null >"$work/console" 2>&1
) || status=$?
if [[ -f $work/output ]]; then
  cat "$work/output"
else
  echo "systemd did not come up:"
  cat "$work/console"
fi
exit "$status"
