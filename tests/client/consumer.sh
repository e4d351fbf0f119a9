#!/bin/sh
# Builds and runs another project against liblocket: as installed, found by CMake and by pkg-config,
# and as a subdirectory.
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

cmake --install "$build" --component library --prefix "$work/prefix"
build_and_run found "-DCMAKE_PREFIX_PATH=$work/prefix"
build_and_run subdirectory "-DLOCKET_SOURCE=$source"

package=$(dirname "$(find "$work/prefix" -name locket.pc)")
flags=$(PKG_CONFIG_PATH=$package pkg-config --cflags --libs locket)
# shellcheck disable=SC2086 # the flags are many
cc -std=c99 "$consumer/in_c.c" -o "$work/in_c" $flags
LD_LIBRARY_PATH=$(PKG_CONFIG_PATH=$package pkg-config --variable=libdir locket) "$work/in_c"
