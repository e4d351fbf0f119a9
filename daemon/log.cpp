#include "daemon/log.hpp"

#include <fmt/chrono.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <string>

namespace locketd::log {
namespace {

struct Name {
  Level level;
  std::string_view name;
  int priority;  // syslog(3)
};

constexpr std::array kNames{
    Name{Level::error, "error", 3},
    Name{Level::warning, "warning", 4},
    Name{Level::info, "info", 6},
    Name{Level::debug, "debug", 7},
};

Level threshold = Level::info;

// systemd.exec(5): the variable names the stream, so that a redirected stderr is not mistaken for
// it.
bool under_journal() {
  static const bool same = [] {
    const char* stream = std::getenv("JOURNAL_STREAM");
    struct stat info{};
    return stream != nullptr && ::fstat(STDERR_FILENO, &info) == 0 &&
           fmt::format("{}:{}", info.st_dev, info.st_ino) == stream;
  }();
  return same;
}

std::string time_of_day() {
  using namespace std::chrono;
  const auto now = system_clock::now();
  const auto millis = duration_cast<milliseconds>(now.time_since_epoch()).count() % 1000;
  return fmt::format("{:%H:%M:%S}.{:03}", fmt::localtime(system_clock::to_time_t(now)), millis);
}

}  // namespace

std::optional<Level> level_from(std::string_view name) {
  const auto found = std::ranges::find(kNames, name, &Name::name);
  if (found == kNames.end()) return std::nullopt;
  return found->level;
}

std::string_view name_of(Level level) {
  return std::ranges::find(kNames, level, &Name::level)->name;
}

void set_level(Level level) {
  threshold = level;
}

bool enabled(Level level) {
  return level <= threshold;
}

void write(Level level, std::string_view text) {
  const Name& name = *std::ranges::find(kNames, level, &Name::level);
  const std::string line = under_journal()
                               ? fmt::format("<{}>{}\n", name.priority, text)
                               : fmt::format("{} locketd {}: {}\n", time_of_day(), name.name, text);
  // A reader that has gone to sleep must not stop all locking: a pipe that is full takes no line.
  pollfd room{STDERR_FILENO, POLLOUT, 0};
  if (::poll(&room, 1, 0) == 0) return;
  // One write a line: lines of several threads or processes never mix.
  std::fwrite(line.data(), 1, line.size(), stderr);
}

}  // namespace locketd::log
