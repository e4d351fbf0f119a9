#include "client/process.hpp"

#include "client/fork_guard.hpp"

namespace locket::client {

Process& process() {
  static auto* const kept = [] {
    auto* made = new Process;  // never destroyed: see the header
    guard_forks(*made);
    return made;
  }();
  return *kept;
}

}  // namespace locket::client
