#include <fcntl.h>
#include <fmt/core.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>

#include "daemon/config_file.hpp"
#include "proto/descriptor.hpp"
#include "proto/environment.hpp"
#include "proto/text.hpp"

namespace locketd {
namespace {

namespace proto = locket::proto;

constexpr char kSystemConfig[] = "/etc/locket/locketd.conf";
constexpr std::size_t kMaxBytes = std::size_t{1} << 20;  // it may be /dev/zero

}  // namespace

std::expected<std::optional<std::string>, std::string> read_config(const std::string& path) {
  const auto cannot = [&](std::string_view why) {
    return std::unexpected(fmt::format("cannot read {}: {}", proto::escape(path), why));
  };
  const proto::Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file && (errno == ENOENT || errno == ENOTDIR)) return std::nullopt;
  // The service's user is not the one who wrote the file, so the message names it.
  if (!file && errno == EACCES) {
    return cannot(
        fmt::format("the user that locketd runs as ({}) has no permission to", ::geteuid()));
  }
  if (!file) return cannot(std::strerror(errno));
  std::string text;
  std::array<char, 4096> block{};
  while (const ssize_t count = ::read(file.get(), block.data(), block.size())) {
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return cannot(std::strerror(errno));
    text.append(block.data(), static_cast<std::size_t>(count));
    if (text.size() > kMaxBytes) return cannot("it is too large for a configuration file");
  }
  return text;
}

std::optional<std::string> default_config_path() {
  if (!proto::variable("XDG_RUNTIME_DIR")) return kSystemConfig;
  const auto config = proto::variable("XDG_CONFIG_HOME");
  // The XDG Base Directory Specification says that a relative path is to be ignored.
  if (config && config->front() == '/') return *config + "/locket/locketd.conf";
  const auto home = proto::variable("HOME");
  if (!home) return std::nullopt;
  return *home + "/.config/locket/locketd.conf";
}

}  // namespace locketd
