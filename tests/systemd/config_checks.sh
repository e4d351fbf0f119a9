# shellcheck shell=bash disable=SC2317 # called by name: check
# The machine's configuration file, which the unit does not mention: sourced by checks.sh.

held_limit_is() { [[ $(locketctl status --json | jq .user.held.limit) == "$1" ]]; }
daemons_lines() { # since the beginning of the journal
  journalctl --quiet --no-pager -o cat SYSLOG_IDENTIFIER=locketd
}
says_once_more_who_may_not_read_it() { # NUMBER OF LINES BEFORE
  local lines
  lines=$(daemons_lines | tail -n "+$(($1 + 1))")
  echo "$lines"
  # The only other line says that the previous daemon has stopped.
  [[ $(grep -v '^stopped' <<<"$lines") =~ ^"cannot read /etc/locket/locketd.conf: the user that locketd runs as ("[0-9]+") has no permission to"$ ]]
}
is_restarted() { systemctl restart locketd.service; }
is_not_restarted() { ! is_restarted; }

install -d -m 0755 /etc/locket
echo 'max-held-per-user = 7' >/etc/locket/locketd.conf
check "the service is restarted, with a configuration file" is_restarted
check "which it reads by itself" held_limit_is 7
chmod 0600 /etc/locket/locketd.conf
lines=$(daemons_lines | wc -l)
check "with one that it may not read it does not start" is_not_restarted
check "nor does systemd try again" test "$(systemctl show -P NRestarts,ActiveState locketd.service | tr '\n' ' ')" = '0 failed '
check "and one line says who may not read it" until_works says_once_more_who_may_not_read_it "$lines"
rm /etc/locket/locketd.conf
check "without it the service starts again" is_restarted
check "and has its defaults" held_limit_is 65536
