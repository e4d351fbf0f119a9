# shellcheck shell=bash
# offered.bash SCRIPTS LINE: what bash offers where the line ends, asked for as readline would.

line=$2
# shellcheck source=/dev/null
source "$1/${line%% *}.bash"

# Readline splits words at blanks and, as COMP_WORDBREAKS says, at =.
read -ra COMP_WORDS <<<"${line//=/ = }"
[[ $line != *' ' ]] || COMP_WORDS+=('')
COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
COMP_LINE=$line COMP_POINT=${#line}
export COMP_LINE COMP_POINT

"_${line%% *}"
((${#COMPREPLY[@]} == 0)) || printf '%s\n' "${COMPREPLY[@]}"
