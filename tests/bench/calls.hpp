// How often processes call the kernel, or malloc(3): perf_event_open(2), with a tracepoint and a
// probe on the C library.
//
// Owned by who counts. Counting takes time itself, so that times are measured without it.

#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <vector>

#include "proto/descriptor.hpp"

namespace locket::bench {

class Calls {
 public:
  enum class To : std::uint8_t { kernel, malloc };

  // From now on, by the threads that they have now. None where that is not permitted (as root it
  // is, mostly), or there is no tracefs.
  static std::optional<Calls> count(To what, const std::vector<pid_t>& processes);

  [[nodiscard]] std::uint64_t so_far() const;

 private:
  std::vector<proto::Descriptor> counters_;
};

}  // namespace locket::bench
