#!/bin/sh
# Makes locket-protocol(7) from its one source.
#
# usage: docs/man/protocol_page.sh LOWDOWN DATE PROTOCOL.md PAGE, where LOWDOWN is that program
#
# The page's title becomes NAME and DESCRIPTION, and all other headings rise by one. Links to places
# within the page say nothing on paper, so only their texts stay. What mandoc(1) does not know of
# lowdown's output goes: the font of typewriters, for which bold stands, and paragraphs that begin
# where a section has just begun. A first line tells that there are tables, for which not every man(1)
# looks by itself.

set -eu

sed -E '1c\
# NAME\
\
locket-protocol - what a program and locketd say to each other\
\
# DESCRIPTION
s/^#(#+ )/\1/
/^ /!s/([0-9])\^([0-9])/\1\\^\2/g' "$3" |
  sed -Ez 's/\[([^]]*)\]\(#[^)]*\)/\1/g' |
  "$1" -s -Tman -m title=LOCKET-PROTOCOL -m section=7 -m date="$2" |
  sed -E 's/\\f\(?C[WB]?/\\fB/g' |
  awk '
    BEGIN { print "\047\\\" t" }
    /^\.S[HS]/ { print; if (NF == 1 && (getline title) > 0) print title; begun = 1; next }
    begun && /^\.[LP]P$/ { begun = 0; next }
    { begun = 0; print }' >"$4"
