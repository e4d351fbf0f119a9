# shellcheck shell=bash
# Completion of locketd for bash.

_locketd() {
  local cur=${COMP_WORDS[COMP_CWORD]} option=${COMP_WORDS[COMP_CWORD - 1]} words
  # Bash splits --OPTION=VALUE at the =.
  if [[ $option == = ]]; then option=${COMP_WORDS[COMP_CWORD - 2]}; fi
  if [[ $cur == = ]]; then cur=; fi
  COMPREPLY=()
  case $option in
    --socket | --config)
      compopt -o filenames 2>/dev/null
      mapfile -t COMPREPLY < <(compgen -f -- "$cur")
      return
      ;;
    --log-level) words='error warning info debug' ;;
    --max-descriptors-per-user) words='auto' ;;
    --max-sessions-per-user | --max-held-per-user | --max-waiting-per-user) return ;;
    --max-text-per-user) return ;;
    *)
      words='-h --help --version --socket --log-level --config --check-config --json
        --max-sessions-per-user --max-held-per-user --max-waiting-per-user
        --max-text-per-user --max-descriptors-per-user'
      ;;
  esac
  mapfile -t COMPREPLY < <(compgen -W "$words" -- "$cur")
}

complete -F _locketd locketd
