#include "client/process.hpp"

namespace locket::client {

Process& process() {
  static auto* const kept = new Process;  // never destroyed: see the header
  return *kept;
}

}  // namespace locket::client
