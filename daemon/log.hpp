// One line per event, on standard error: with a priority prefix if that is systemd's journal
// (sd-daemon(3)), otherwise with the time of day, and in colour on a terminal. Text from clients
// must be escaped before it comes here.
//
// A line with fields goes to the journal by the journal's own protocol (journal.hpp), so that the
// fields can be searched for. All others go to standard error, from which the journal knows the
// sender even if this process is gone by the time it looks.
//
// Nothing here waits for a reader: a line for which there is no room is lost, and counted.

#pragma once

#include <fmt/core.h>

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>

namespace locketd::log {

enum class Level : std::uint8_t { error, warning, info, debug };

struct Field {
  std::string_view name;  // in the form of systemd.journal-fields(7): LOCKET_PID
  std::string value;
};

std::optional<Level> level_from(std::string_view name);
std::string_view name_of(Level level);

// Whether standard error is the journal.
bool under_journal();

void set_level(Level level);
bool enabled(Level level);
void write(Level level, std::string_view text, std::span<const Field> fields = {});

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
