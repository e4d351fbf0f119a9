#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <string_view>

#include "proto/descriptor.hpp"
#include "proto/flock_line.hpp"
#include "proto/held_flock.hpp"

namespace locket::proto {

std::expected<std::optional<Mode>, int> held_flock(int fd) {
  std::array<char, 64> path{};
  fmt::format_to_n(path.data(), path.size() - 1, "/proc/thread-self/fdinfo/{}", fd);
  const Descriptor info(::open(path.data(), O_RDONLY | O_CLOEXEC));
  if (!info) return std::unexpected(errno);
  std::array<char, 4096> buffer;  // the kernel lists locks of this kind first; there is only one
  const ssize_t length = ::read(info.get(), buffer.data(), buffer.size());
  if (length < 0) return std::unexpected(errno);

  std::string_view text(buffer.data(), static_cast<std::size_t>(length));
  if (!text.starts_with("pos:")) return std::unexpected(ENOENT);  // not in Linux's form
  while (!text.empty()) {
    std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(line.size() + 1, text.size()));
    constexpr std::string_view kLock = "lock:";
    if (!line.starts_with(kLock)) continue;
    line.remove_prefix(kLock.size());
    if (const auto lock = parse_flock_line(line)) return lock->mode;
  }
  return std::nullopt;
}

}  // namespace locket::proto
