# shellcheck shell=bash disable=SC2317 # called by name: check
# README's commands, for scripts that play them, taken out of README itself: to be sourced beside
# check.sh. None can be printed that does not work, and none that nobody plays.

readme=${readme:?where README.md is}
played=$(mktemp)

# The commands below a heading, or a question, that begins with this text; "": all. Indented code, a
# command a line; a line that is indented further belongs to the one before it.
commands_below() { # TEXT
  awk -v text="$1" '
    /^```/ { fenced = !fenced }
    fenced { next }
    /^#/ || /^\*\*/ { here = index($0, text) == 1 }
    text != "" && !here { next }
    /^     / { sub(/^ +/, ""); command = command "; " $0; next }
    { if (command != "") print command; command = "" }
    sub(/^    /, "") { command = $0 }
    END { if (command != "") print command }' "$readme"
}

# The one below that heading that begins with this text, or else has it in it.
command_of() { # HEADING TEXT
  local found
  mapfile -t found < <(commands_below "$1" | awk -v text="$2" 'index($0, text) == 1')
  ((${#found[@]})) || mapfile -t found < <(commands_below "$1" | grep -F -- "$2")
  if ((${#found[@]} != 1)); then
    echo "README has ${#found[@]} commands with '$2' below '$1'" >&2
    return 1
  fi
  printf '%s\n' "${found[0]}"
}

# As printed, by somebody who is root already.
play() { # HEADING TEXT
  local command
  command=$(command_of "$@") || return
  printf '%s\n' "$command" >>"$played"
  bash -c "sudo() { \"\$@\"; }; $command"
}

# But for those that one of these patterns, lines of standard input, stands for.
all_have_been_played() {
  local elsewhere
  elsewhere=$(sed 's/ *#.*//')
  ! commands_below "" | grep -vxFf "$played" | grep -v "$elsewhere"
}
