#!/usr/bin/env bash
# shellcheck disable=SC2317 # called by name: trap, check
# The programs shown in README, liblocket(3) and the headers compile, and link as README says.
#
# usage: tests/docs/examples.sh BUILD SOURCE, where BUILD is a finished build of the project in SOURCE

set -u
build=$(realpath "$1") source=$(realpath "$2")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
said=$work/said readme=$source/README.md
# shellcheck source=SCRIPTDIR/../support/check.sh
source "$source/tests/support/check.sh"
# shellcheck source=SCRIPTDIR/../support/readme.sh
source "$source/tests/support/readme.sh"

in_readme() { sed -n "/^\`\`\`$1\$/,/^\`\`\`\$/{//d;p}" "$readme"; }  # LANGUAGE
in_page() { # LANGUAGE
  sed -n '/^\.Sh EXAMPLES/,/^\.Sh ERRORS/p' "$source/docs/man/liblocket.3" |
    awk -v header="$([[ $1 == c ]] && echo locket.h || echo locket.hpp)" '
      /^\.Ed/ { wanted = 0 }
      $0 == "#include <locket/" header ">" { wanted = 1 }
      wanted' | sed 's/\\e/\\/g'
}
in_header() { sed -n 's|^///     ||p' "$source/client/include/locket/locket.hpp"; }

# What such an example takes for granted, and a function around it.
program() { # LANGUAGE; the example is standard input
  local example
  example=$(cat)
  grep '^#include' <<<"$example"
  if [[ $1 == c ]]; then
    printf '%s\n' '#include <stdlib.h>' 'static void die(const char* text) { exit(text == NULL); }' \
      'static void migrate(uint64_t token) { (void)token; }' 'int main(void) {'
  else
    printf '%s\n' '#include <locket/locket.hpp>' '#include <mutex>' '#include <unistd.h>' \
      'using namespace std::chrono_literals;' 'void migrate(std::uint64_t) {}' 'void report() {}' \
      'void stop_writing(std::uint64_t) {}' 'int main() {' \
      '  locket::file_lock other("other.lock"); char* arguments[] = {nullptr}; (void)arguments;'
  fi
  grep -v '^#include' <<<"$example"
  echo '}'
}
compiles() { # LANGUAGE WHERE
  local compiler=(c++ -std=c++17)
  [[ $1 == cpp ]] || compiler=(cc -std=c99)
  "in_$2" "$1" | program "$1" >"$work/$2.$1" &&
    grep -q 'locket::\|locket_acquire' "$work/$2.$1" &&
    "${compiler[@]}" -fsyntax-only -Wall -Wextra -Werror -I"$source/client/include" "$work/$2.$1"
}

check "README's C" compiles c readme
check "README's C++" compiles cpp readme
check "liblocket(3)'s C" compiles c page
check "liblocket(3)'s C++" compiles cpp page
check "locket.hpp's" compiles cpp header

for component in liblocket liblocket-dev; do
  check "$component is installed" cmake --install "$build" --component $component --prefix "$work/prefix"
done
mkdir "$work/app"
cd "$work/app" || exit
cp "$work/readme.c" app.c
PKG_CONFIG_PATH=$(dirname "$(find "$work/prefix" -name locket.pc)")
export PKG_CONFIG_PATH CMAKE_PREFIX_PATH=$work/prefix
check "README's way to compile, by pkg-config" play '### Linking' 'cc app.c'
check "makes a program" test -x a.out
{
  printf '%s\n' 'cmake_minimum_required(VERSION 3.20)' 'project(app C CXX)'
  command_of '### Linking' find_package
  echo 'add_executable(app app.c)'
  command_of '### Linking' target_link_libraries
} >CMakeLists.txt
check "README's way to find it, by CMake" cmake -G Ninja -B by_cmake
check "makes a program, too" cmake --build by_cmake
exit $((failures != 0))
