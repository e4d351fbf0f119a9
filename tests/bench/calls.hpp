// Counts how often processes call the kernel or malloc(3): perf_event_open(2), with a tracepoint
// and a probe on the C library.
//
// Owned by the code that counts. Counting itself takes time, so times are measured without it.

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

  // From now on, in the threads that these processes have now. None if that is not permitted (root
  // usually may), or there is no tracefs.
  static std::optional<Calls> count(To what, const std::vector<pid_t>& processes);

  [[nodiscard]] std::uint64_t so_far() const;

 private:
  std::vector<proto::Descriptor> counters_;
};

}  // namespace locket::bench
