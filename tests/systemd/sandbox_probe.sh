#!/usr/bin/env bash
# shellcheck disable=SC2317 # called by name: can
# What its caller can do, one word per line. The units forbid all of it.

cd "$(mktemp -d)" || exit
touch file
can() { # WORD COMMAND...
  "${@:2}" >/dev/null 2>&1 && echo "$1"
}
use_network() { exec 3<>/dev/udp/127.0.0.1/9; }
make_readable() { touch new && [[ -n $(find new -perm /077) ]]; }
gain_privileges() { [[ $(sed -n 's/^NoNewPrivs:\t//p' /proc/self/status) == 0 ]]; }

can use-network bash -c "$(declare -f use_network); use_network"
can make-namespaces unshare --user true
can set-suid chmod u+s file
can change-personality setarch --addr-no-randomize true
can be-realtime chrt --fifo 1 true
can be-idle ionice -c 3 true
can make-readable make_readable
can give-files-away chown 1:1 file
can map-writable-code python3 -c 'import mmap; mmap.mmap(-1, 4096, prot=7)'
can gain-privileges gain_privileges
exit 0
