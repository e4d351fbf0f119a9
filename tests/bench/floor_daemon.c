#include <stdio.h>
#include <string.h>

#include "tests/bench/floor.h"

int main(int argc, char** argv) {
  const int many = argc == 3 && strcmp(argv[1], "--many") == 0;
  if (argc != 2 && !many) {
    fprintf(stderr, "usage: %s [--many] SOCKET\n", argv[0]);
    return 64;
  }
  many ? floor_serve_many(argv[2]) : floor_serve(argv[1]);
  perror(argv[argc - 1]);
  return 69;
}
