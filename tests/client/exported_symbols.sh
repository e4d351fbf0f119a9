#!/bin/sh
# Fails unless liblocket.so exports the symbols of its map, and no others.
# Usage: exported_symbols.sh LIBRARY MAP
set -eu

exported=$(nm --dynamic --defined-only "$1" | sed -n 's/.* T \([^@]*\).*/\1/p' | sort)
listed=$(sed -n 's/^ *\(locket_[a-z_]*\);.*/\1/p' "$2" | sort)
if [ -z "$listed" ] || [ "$exported" != "$listed" ]; then
  printf 'exported:\n%s\nlisted:\n%s\n' "$exported" "$listed" >&2
  exit 1
fi
