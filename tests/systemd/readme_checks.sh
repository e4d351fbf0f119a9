# shellcheck shell=bash disable=SC2317 # called by name: check
# README's commands, run as its readers would: sourced by checks.sh.

readme=${BASH_SOURCE[0]%/*}/README.md
# shellcheck source=tests/support/readme.sh
source "${BASH_SOURCE[0]%/*}/readme.sh"

lock=/srv/app/deploy.lock  # as README names it
mkdir /srv/app
cd /srv/app || exit
for program in deploy backup sync; do
  # shellcheck disable=SC2016 # for that program
  printf '#!/bin/sh\necho "$(basename "$0")" "$@" >>turns\n' >$program
  chmod +x $program
done
turns_were() { diff <(printf '%s\n' "$@") turns && rm turns; }

shows() { # TEXT COMMAND...
  local shown
  shown=$("${@:2}" 2>&1) || return
  printf '%s\n' "$shown"
  grep -qF -- "$1" <<<"$shown"
}
shows_nothing() { # COMMAND...
  local shown
  shown=$("$@" 2>&1) || return
  printf '%s' "$shown"
  [[ -z $shown ]]
}
ends_with() { # STATUS COMMAND...
  local status=0
  "${@:2}" || status=$?
  ((status == $1))
}

has_holder() { [[ $(locketctl list "$lock" --json | jq '.locks[0].holders[0].pid') == "$1" ]]; }
hold() { # makes `holder` hold the lock
  locketctl run "$lock" -- sleep 1000 &
  holder=$!
  until_works has_holder $holder
}
has_ended() { ! kill -0 "$1" 2>/dev/null; }
end_holder() { kill "-$1" "$holder" && ends_with $((128 + $1)) wait "$holder"; }  # SIGNAL'S NUMBER

# ---- First use ----

unset XDG_RUNTIME_DIR
use() { play '## Use it' "$1"; }
check "three commands have their turns" eval "use '-- ./deploy --now' && use 'run -n' && use 'run -w 30'"
check "as they were printed" turns_were 'deploy --now' deploy backup
hold
check "the list shows who has a lock" shows " $holder " use 'locketctl list  '
check "of one file, too, for programs" shows "\"pid\": $holder," use 'list /srv/app/deploy.lock --json'
check "and the daemon tells how it is" shows 'holders      1' use 'locketctl status'

# ---- Questions ----

question() { play "**$1" "$2"; }
locker() { question 'Who has the lock?' list; }
check "who has the lock?" shows " $holder " locker
check "its holder is killed" end_holder 9
check "and the lock is not stale" until_works question 'Its holder was killed' 'run -n'
check "nobody has it, so that the file may go" shows_nothing question 'May I remove' list
hold
check "a holder is ended" question 'How do I take it' kill
check "and has ended" ends_with 143 wait "$holder"

(exec 9>sync.lock && flock 9 && exec sleep 1000) &
holder=$!
check "somebody syncs" until_works eval '! flock -n sync.lock true'
check "the next one does nothing, and says so" ends_with 75 question 'The last cron job' 'run -n'
check "he ends" end_holder 15
check "and another gets his turn" question 'The last cron job' 'run -n'
check "or waits for it" question 'The last cron job' 'run -w 30'
check "each a turn" turns_were sync sync

mkfifo orders
lock_program <orders >answers &
holder=$!
exec 9>orders
printf '%s\n' "lock $lock" "lock $lock" >&9
waits_for_itself() { question 'Why does it hang?' jq | tr -d ' \n' | grep -F "[$holder,$holder]"; }
check "a process waits for itself" until_works waits_for_itself
check "it ends" end_holder 9
exec 9>&-

flock "$lock" sh -c 'sleep 1000 & echo $! >child'
check "a script has ended, and its child has the lock" shows external question 'Why is the lock still held' list
kill "$(cat child)"

stranger=(setpriv --reuid 65534 --regid 65534 --clear-groups)
install -m 0600 /dev/null "$lock"
check "another user's file cannot be locked" ends_with 66 "${stranger[@]}" locketctl run "$lock" -- true
check "until it may be read" question 'Permission denied' chmod
check "and then it can" until_works "${stranger[@]}" locketctl run -n "$lock" -- true
check "what to expect of a file" shows 'file system' question 'Does it work on NFS' doctor

no_daemon() { question 'No locketd answers?' "$1"; }
check "the socket is stopped" systemctl stop locketd.socket locketd.service
check "the doctor says what to do" ends_with 1 no_daemon doctor
check "and systemctl that it is dead" ends_with 3 no_daemon systemctl

# ---- As a service ----

service() { play '### Run it as a service' "$1"; }
check "the machine's socket is started" service 'sudo systemctl enable'
check "and answers" shows 'ok       socket' play '## Install it' 'locketctl doctor'
"${stranger[@]::1}" --reuid 1000 --clear-groups lock_program <orders >answers &
holder=$!
exec 9>orders
echo 'lock /tmp/a-users' >&9
check "a user's program has a lock" until_works grep -q held answers
check "and is killed" end_holder 9
exec 9>&-
check "the log tells" until_works shows '/tmp/a-users' service 'journalctl -u locketd  '
check "and of this user alone, too" shows '/tmp/a-users' service 'LOCKET_UID'
no_lock_was_lost() { local told; told=$(service LOCKET_EVENT); echo "$told"; grep -qF -- "-- No entries --" <<<"$told"; }
check "and that no lock was lost" no_lock_was_lost

hold
check "an upgrade" play '### Upgrade it' restart
check "costs nobody a lock" until_works has_holder "$holder"
check "nor does the holder notice" end_holder 15
is_as_tight_as_said() {
  local found promised
  found=$(play '### Secure it' systemd-analyze | sed -n 's/.*exposure level for locketd.service: \([0-9.]*\).*/\1/p')
  promised=$(sed -n 's/.*with an exposure of \([0-9.]*\),.*/\1/p' "$readme")
  jq -en "$found <= $promised"
}
check "the sandbox is as tight as it is said to be" is_as_tight_as_said
check "the settings, and where they come from" shows 'log-level = info' play '### Configure it' 'locketd --check'
machines_settings() { XDG_RUNTIME_DIR=/run/user/0 play '### Configure it' 'env -u'; }
check "also for those who have a daemon of their own" shows 'socket = /run/locket/locketd.sock' machines_settings

secure() { play '### Secure it' "$1"; }
check "a group's alone" eval "secure mkdir && secure printf && secure daemon-reload"
check "others do not get in" ends_with 69 "${stranger[@]}" locketctl status
check "they do" setpriv --reuid 65534 --regid "$(getent group adm | cut -d: -f3)" --clear-groups locketctl status

# ---- A user's own service ----

export XDG_RUNTIME_DIR=/run/user/0 HOME=/root
check "a user's socket is stopped" systemctl --user stop locketd.socket locketd.service
check "and enabled" service 'systemctl --user'
check "for the next time too" systemctl --user is-enabled locketd.socket
export LOCKET_SOCKET=$XDG_RUNTIME_DIR/locket/locketd.sock
play '### In any other language' nc <orders >answers &
exec 9>orders
check "a shell is a client of a daemon of its user's" until_works grep -q '"token"' answers
check "until its input ends" eval 'exec 9>&- && until_works flock -n /tmp/a.lock true'

ten_questions_are_answered() {
  local questions question
  mapfile -t questions < <(sed -n '/^## Questions/,/^## What/s/^\(\*\*[^*]*\*\*\).*/\1/p' "$readme")
  for question in "${questions[@]}"; do
    [[ -n $(commands_below "$question") ]] || { echo "no command: $question"; return 1; }
  done
  ((${#questions[@]} == 10))
}
check "ten questions have a command each" ten_questions_are_answered
check "README has no command that nobody plays" all_have_been_played <<'END'
^\./dev                # CI does, and tests/packages
^sudo apt              # tests/packages
^cmake --preset        # ./dev
^sudo cmake --install  # tests/packages, tests/client/consumer.sh
^find_package          # tests/docs/examples.sh
^add_subdirectory
^target_link_libraries
^cc
END
