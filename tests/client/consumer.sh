#!/bin/sh
# Builds and runs another project against liblocket, in C and in C++17: as installed, found by CMake and
# by pkg-config, and as a subdirectory.
# Usage: consumer.sh BUILD SOURCE, where BUILD is a finished build of the project in SOURCE.
set -eu

build=$1 source=$2
if command -v ccache >/dev/null; then export CMAKE_CXX_COMPILER_LAUNCHER=ccache; fi
consumer=$source/tests/client/consumer
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

build_and_run() { # NAME CMAKE-ARGUMENT
  cmake -G Ninja -S "$consumer" -B "$work/$1" "$2"
  cmake --build "$work/$1" --parallel
  for program in in_c_with_locket in_c_with_locket_static in_cpp_with_locket in_cpp_with_locket_static; do
    "$work/$1/$program"
  done
}

build_by_pkg_config() { # PREFIX
  package=$(dirname "$(find "$1" -name locket.pc)")
  flags=$(PKG_CONFIG_PATH=$package pkg-config --cflags --libs locket)
  # Everything linked in, with libstdc++ named for those who link as C.
  static=$(PKG_CONFIG_PATH=$package pkg-config --static --cflags --libs locket | sed 's/-llocket/-l:liblocket.a/')
  # shellcheck disable=SC2086 # the flags are many
  {
    cc -std=c99 "$consumer/in_c.c" -o "$work/in-c" $flags
    c++ -std=c++17 "$consumer/in_cpp.cpp" -o "$work/in-cpp" $flags
    cc -std=c99 "$consumer/in_c.c" -o "$work/in-c-static" $static
    c++ -std=c++17 "$consumer/in_cpp.cpp" -o "$work/in-cpp-static" $static
  }
  library=$(PKG_CONFIG_PATH=$package pkg-config --variable=libdir locket)
  LD_LIBRARY_PATH=$library "$work/in-c"
  LD_LIBRARY_PATH=$library "$work/in-cpp"
  "$work/in-c-static"
  "$work/in-cpp-static"
}

# The library alone, in two components, and not in the configured place: a tree may be moved.
for component in liblocket liblocket-dev; do
  DESTDIR=$work/destination cmake --install "$build" --component $component --prefix /opt/locket
done
if [ -n "$(find "$work/destination" -path '*/*bin/*')" ]; then
  echo "a program is no part of the library" >&2
  exit 1
fi
installed=$work/destination/opt/locket
build_and_run found "-DCMAKE_PREFIX_PATH=$installed"
build_by_pkg_config "$installed"
build_and_run subdirectory "-DLOCKET_SOURCE=$source"

if cmake -G Ninja -S "$consumer" -B "$work/newer" "-DCMAKE_PREFIX_PATH=$installed" -DLOCKET_VERSION=1.0; then
  echo "a version that is not installed has been found" >&2
  exit 1
fi
