# shellcheck shell=bash disable=SC2317 # called by name: check
# README's commands, taken out of README itself, for scripts that run them: to be sourced beside
# check.sh. So README can show no command that fails, and none that is not run.

readme=${readme:?where README.md is}
played=$(mktemp)

# The commands below a heading, or a question, that begins with this text; "": all. Indented code,
# one command per line; a line indented further belongs to the one before it.
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

# The only one below that heading that begins with this text or, failing that, contains it.
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

# Runs it as printed; the caller is already root.
play() { # HEADING TEXT
  local command
  command=$(command_of "$@") || return
  printf '%s\n' "$command" >>"$played"
  bash -c "sudo() { \"\$@\"; }; $command"
}

# Except those that match one of the patterns on standard input, one a line.
all_have_been_played() {
  local elsewhere
  elsewhere=$(sed 's/ *#.*//')
  ! commands_below "" | grep -vxFf "$played" | grep -v "$elsewhere"
}
