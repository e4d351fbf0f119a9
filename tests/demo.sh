#!/usr/bin/env bash
# Four real processes contend for one lock file: what ./dev demo shows.
#
# usage: tests/demo.sh [BUILD FOLDER]
#
# A step begins when `locketctl list` or /proc/locks shows that the previous one has happened, so
# the order is always the same. It takes the two seconds of the timeout that expires and little
# more, and leaves nothing behind. Status 0: all went as it should.

set -euo pipefail

build=$(realpath "${1:-$(dirname "${BASH_SOURCE[0]}")/../build}")
for program in locketd locketctl; do
  if [[ ! -x $build/bin/$program ]]; then
    echo "demo: there is no $build/bin/$program; ./dev build makes it" >&2
    exit 69
  fi
done
folder=$(mktemp -d -t locket-demo.XXXXXX)
PATH=$build/bin:$PATH
export LOCKET_SOCKET=$folder/locketd.sock
cd "$folder"

declare -A pid_of=() # of what was started and not yet waited for, by name

clean_up() {
  local status=$?
  trap - EXIT INT TERM HUP
  kill "${pid_of[@]}" 2>/dev/null || true
  wait
  cd /
  rm -rf "$folder"
  exit "$status"
}
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

bold='' plain=''
if [[ -t 1 && -z ${NO_COLOR:-} ]]; then bold=$'\e[1m' plain=$'\e[0m'; fi

heading() { printf '\n%s%s%s\n' "$bold" "$*" "$plain"; }

show() { # COMMAND... [&]: as one would type it
  local word line='$'
  for word in "$@"; do
    [[ $word != *[\ \(]* ]] || word="'$word'"
    line+=" $word"
  done
  printf '%s\n' "$line"
}

run() {
  show "$@"
  "$@"
}

start() { # NAME COMMAND...: in the background; `finish` shows what it said
  local name=$1
  shift
  show "$@" '&'
  "$@" >"$name.out" 2>&1 &
  pid_of[$name]=$!
}

finish() { # NAME: sets `status` to the command's own
  status=0
  wait "${pid_of[$1]}" || status=$?
  unset "pid_of[$1]"
  cat "$1.out"
}

give_up() {
  printf '\ndemo: %s\n' "$*" >&2
  tail -n +1 -- *.out >&2
  exit 1
}

expect_status() { # NUMBER NAME
  [[ $status == "$1" ]] || give_up "$2 ended with status $status, not $1"
}

wait_until() { # CONDITION...
  local deadline=$((SECONDS + 5))
  until "$@"; do
    ((SECONDS < deadline)) || give_up "this did not happen within 5 seconds: $*"
    sleep 0.02
  done
}

daemon_answers() { locketctl status >/dev/null 2>&1; }

# STATE NAME: looks at the columns STATE MODE PID.
listed() { locketctl list --no-legend | grep -E "(^| )$1 +[a-z]+ +${pid_of[$2]}( |\$)" >/dev/null; }

# The same, by the name of the command that locketctl has become.
runs() { locketctl list --no-legend | grep -E " held +[a-z]+ +${pid_of[$1]} .* $1 " >/dev/null; }

waits_in_kernel() { grep -E -- "-> FLOCK .* ${pid_of[$1]} " /proc/locks >/dev/null; }

# A program that works until it is told to end.
make_job() { # NAME
  mkfifo "$1.end"
  cat >"$1" <<SCRIPT
#!/bin/sh
read -r line <$1.end
echo "$1: done, with token \$LOCKET_TOKEN"
SCRIPT
  chmod +x "$1"
}

end_job() { # NAME
  # Writing waits for a reader, and a dead job reads nothing.
  timeout 5 sh -c "echo >$1.end" || give_up "$1 cannot be told to end"
}

make_job backup
make_job deploy

heading "A daemon, on a private socket"
start locketd locketd
wait_until daemon_answers
run locketctl status

heading "A backup takes the lock; a deploy, a plain flock(1) and a cleanup want it too"
start backup locketctl run --reason "nightly backup" report.lock -- ./backup
wait_until runs backup
start deploy locketctl run --reason "version 42" report.lock -- ./deploy
wait_until listed waiting deploy
start flock flock report.lock echo "flock(1): had its turn"
wait_until waits_in_kernel flock
start cleanup locketctl run -w 2 report.lock -- echo "cleanup: never said"
wait_until listed waiting cleanup
run locketctl list

heading "The cleanup does not wait for longer than two seconds, and learns who has the lock"
finish cleanup
echo "exit status $status"
expect_status 1 cleanup

heading "The backup ends, and the deploy has the lock"
end_job backup
finish backup
expect_status 0 backup
wait_until runs deploy
run locketctl list

heading "The deploy ends, and everybody has been served"
end_job deploy
finish deploy
expect_status 0 deploy
finish flock
expect_status 0 flock
run locketctl list
