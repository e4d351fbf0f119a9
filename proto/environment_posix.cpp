#include <unistd.h>

#include <cstdlib>

#include "proto/environment.hpp"

namespace locket::proto {

std::optional<std::string> variable(const std::string& name) {
  const char* value = std::getenv(name.c_str());
  return value != nullptr && *value != '\0' ? std::optional<std::string>(value) : std::nullopt;
}

bool wants_colour(int fd) {
  return ::isatty(fd) == 1 && !variable("NO_COLOR");
}

}  // namespace locket::proto
