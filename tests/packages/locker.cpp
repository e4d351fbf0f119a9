// What a user of liblocket-dev might build: holds a lock until a line comes in. Without a path it
// does nothing, which only shows that it can start.

#include <iostream>
#include <locket/locket.hpp>

int main(int count, char** arguments) {
  if (count < 2) return 0;
  locket::file_lock lock(arguments[1], std::chrono::seconds(10));
  const locket::guard held(lock);
  std::cin.get();
}
