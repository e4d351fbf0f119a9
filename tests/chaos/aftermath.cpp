#include "tests/chaos/aftermath.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "tests/support/kernel_lock.hpp"

namespace locket::chaos {

Aftermath::Aftermath(World& world, Daemon& daemon, LockFiles files)
    : world_(world), daemon_(daemon), files_(std::move(files)) {}

bool Aftermath::is_clean() {
  return std::ranges::all_of(traces(),
                             [](const Trace& trace) { return trace.found <= trace.expected; });
}

void Aftermath::judge() {
  for (const Trace& trace : traces()) {
    if (trace.found <= trace.expected) continue;
    world_.breaches.add(Breach::left_behind, "{}: {}, where {} should be", trace.what, trace.found,
                        trace.expected);
  }
}

std::vector<Aftermath::Trace> Aftermath::traces() {
  const test::Json status = daemon_.observer().status();
  std::vector<Trace> traces{
      {"locks in the daemon", status.at("locks").get<std::uint64_t>(), 0},
      {"sessions", status.at("sessions").get<std::uint64_t>(), 1},  // our own
      {"descriptors of the daemon", daemon_.descriptors(), daemon_.first_descriptors()},
      {"threads of the daemon", daemon_.threads(), daemon_.first_threads()}};
  for (unsigned file = 0; file < world_.files_used; ++file) {
    const bool free = test::kernel_admits(files_.path(file));
    traces.push_back({fmt::format("locks by the kernel on file {}", file), free ? 0U : 1U, 0});
  }
  return traces;
}

}  // namespace locket::chaos
