#include <fmt/core.h>

#include <cerrno>
#include <fstream>
#include <string>

#include "daemon/held_flock.hpp"
#include "proto/flock_line.hpp"

namespace locketd {

std::expected<std::optional<locket::proto::Mode>, int> held_flock(int fd) {
  std::ifstream info(fmt::format("/proc/self/fdinfo/{}", fd));
  if (!info) return std::unexpected(errno);
  for (std::string line; std::getline(info, line);) {
    constexpr std::string_view kLock = "lock:";
    if (!line.starts_with(kLock)) continue;
    const auto lock = locket::proto::parse_flock_line(std::string_view(line).substr(kLock.size()));
    if (lock) return lock->mode;
  }
  return std::nullopt;
}

}  // namespace locketd
