# shellcheck shell=bash
# Completion of locketctl for bash. It needs nothing but bash; if the bash-completion package is
# there, the command of `run` is completed as it would be without locketctl.

_locketctl_words() { # WORDS: those that the current one begins
  mapfile -t COMPREPLY < <(compgen -W "$1" -- "$cur")
}

_locketctl_files() {
  compopt -o filenames 2>/dev/null
  mapfile -t COMPREPLY < <(compgen -f -- "$cur")
}

# Completes the command of `run`, whose first word has this number.
_locketctl_command() {
  local offset
  if ((COMP_CWORD == $1)); then
    compopt -o filenames 2>/dev/null
    mapfile -t COMPREPLY < <(compgen -c -- "$cur")
    [[ $cur != */* ]] || mapfile -t COMPREPLY < <(compgen -f -- "$cur")
    return
  fi
  for offset in _comp_command_offset _command_offset; do
    if declare -F "$offset" >/dev/null; then
      "$offset" "$1"
      return
    fi
  done
  _locketctl_files
}

_locketctl_run() {
  local i=2
  # Options end at the lock file: what follows belongs to the command. Bash splits --OPTION=VALUE at
  # the =.
  while ((i < COMP_CWORD)); do
    case ${COMP_WORDS[i]} in
      -w | --timeout | -E | --conflict-exit-code | -c | --command | --reason)
        [[ ${COMP_WORDS[i + 1]} != = ]] || i=$((i + 1))
        i=$((i + 2))
        ;;
      --)
        i=$((i + 1))
        break
        ;;
      -?*) i=$((i + 1)) ;;
      *) break ;;
    esac
  done
  if ((i > COMP_CWORD)); then return; fi # a number or a text

  if ((i == COMP_CWORD)); then
    if [[ $cur == -* && ${COMP_WORDS[i - 1]} != -- ]]; then
      _locketctl_words '-h --help -s --shared -x --exclusive -n --nonblock -w --timeout
        -E --conflict-exit-code -c --command --reason --verbose'
    else
      _locketctl_files
    fi
    return
  fi

  i=$((i + 1))
  case ${COMP_WORDS[i]} in
    --) if ((i < COMP_CWORD)); then i=$((i + 1)); fi ;;
    -c | --command) if ((i < COMP_CWORD)); then return; fi ;;
  esac
  if ((i == COMP_CWORD)) && [[ $cur == -* ]]; then
    _locketctl_words '-- -c --command'
  else
    _locketctl_command "$i"
  fi
}

_locketctl_options_or_files() { # OPTIONS
  if [[ $cur == -* ]]; then
    _locketctl_words "$1"
  else
    _locketctl_files
  fi
}

_locketctl() {
  local cur=${COMP_WORDS[COMP_CWORD]}
  [[ $cur != = ]] || cur=
  COMPREPLY=()
  if ((COMP_CWORD == 1)); then
    case $cur in
      -*) _locketctl_words '-h --help --version' ;;
      *) _locketctl_words 'run list status doctor' ;;
    esac
    return
  fi
  case ${COMP_WORDS[1]} in
    run) _locketctl_run ;;
    list) _locketctl_options_or_files '-h --help --json --no-legend' ;;
    status) _locketctl_words '-h --help --json' ;;
    doctor) _locketctl_options_or_files '-h --help --json' ;;
  esac
}

complete -F _locketctl locketctl
