# Makes an interactive zsh write what the first completion offers to the file $OFFERED, and then
# end.

PS1= PS2= RPS1=
fpath=($SCRIPTS $fpath)
autoload -U compinit && compinit -D -u

# Everything that is offered passes through it.
compadd() {
  # A call that only fills an array for its caller.
  if [[ " ${@[1,(i)(-|--)]} " == *' -'(O|A|D)' '* ]]; then
    builtin compadd "$@"
    return
  fi
  local -a hits
  builtin compadd -O hits "$@"
  print -rl -- $hits >>$OFFERED
  builtin compadd "$@"
}

finished() {
  print FINISHED
  exit
}
comppostfuncs=(finished)
bindkey '^I' list-choices
print READY
