#include <fmt/core.h>

#include <fstream>
#include <string>

#include "daemon/held_flock.hpp"
#include "proto/flock_line.hpp"

namespace locketd {

std::optional<locket::proto::Mode> held_flock(int fd) {
  std::ifstream info(fmt::format("/proc/self/fdinfo/{}", fd));
  for (std::string line; std::getline(info, line);) {
    constexpr std::string_view kLock = "lock:";
    if (!line.starts_with(kLock)) continue;
    const auto lock = locket::proto::parse_flock_line(std::string_view(line).substr(kLock.size()));
    if (lock) return lock->mode;
  }
  return std::nullopt;
}

}  // namespace locketd
