# offered.zsh SCRIPTS LINE: what zsh offers where the line ends.
#
# Completion needs a line editor, and that needs a terminal: runs a zsh in one, with offering.zsh.

zmodload zsh/zpty
export OFFERED=$(mktemp) SCRIPTS=$1

zpty shell zsh -f -i
zpty -w shell "source ${(q)0:A:h}/offering.zsh"
zpty -r shell line '*READY*'
zpty -w -n shell "$2"$'\t'
zpty -r shell line '*FINISHED*'
zpty -d shell
sed '/^$/d' $OFFERED
rm -f $OFFERED
