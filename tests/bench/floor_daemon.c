#include <stdio.h>

#include "tests/bench/floor.h"

int main(int argc, char** argv) {
  if (argc != 2) {
    fprintf(stderr, "usage: %s SOCKET\n", argv[0]);
    return 64;
  }
  floor_serve(argv[1]);
  perror(argv[1]);
  return 69;
}
