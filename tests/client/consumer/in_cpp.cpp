#include <iostream>
#include <locket/locket.hpp>

int main() {
  const auto lock = locket::lock_file("some.lock", std::chrono::seconds(30));
  std::cout << lock.path() << '\n';
}
