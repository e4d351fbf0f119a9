// One line an event, on standard error: with a priority prefix under systemd (sd-daemon(3)), with
// the time of day elsewhere. What comes from clients must be escaped before it comes here.

#pragma once

#include <fmt/core.h>

#include <optional>
#include <string_view>
#include <utility>

namespace locketd::log {

enum class Level { error, warning, info, debug };

std::optional<Level> level_from(std::string_view name);
std::string_view name_of(Level level);

void set_level(Level level);
bool enabled(Level level);
void write(Level level, std::string_view text);

template <typename... Args>
void line(Level level, fmt::format_string<Args...> format, Args&&... args) {
  if (enabled(level)) write(level, fmt::format(format, std::forward<Args>(args)...));
}

template <typename... Args>
void error(fmt::format_string<Args...> format, Args&&... args) {
  line(Level::error, format, std::forward<Args>(args)...);
}
template <typename... Args>
void warning(fmt::format_string<Args...> format, Args&&... args) {
  line(Level::warning, format, std::forward<Args>(args)...);
}
template <typename... Args>
void info(fmt::format_string<Args...> format, Args&&... args) {
  line(Level::info, format, std::forward<Args>(args)...);
}
template <typename... Args>
void debug(fmt::format_string<Args...> format, Args&&... args) {
  line(Level::debug, format, std::forward<Args>(args)...);
}

}  // namespace locketd::log
