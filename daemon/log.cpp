#include "daemon/log.hpp"

#include <fmt/chrono.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <climits>
#include <ctime>
#include <string>
#include <vector>

#include "daemon/journal.hpp"
#include "proto/environment.hpp"
#include "proto/text.hpp"

namespace locketd::log {
namespace {

struct Name {
  Level level;
  std::string_view name;
  int priority;             // syslog(3)
  std::string_view colour;  // console_codes(4)
};

constexpr std::array kNames{
    Name{Level::error, "error", 3, "\x1b[31m"},
    Name{Level::warning, "warning", 4, "\x1b[33m"},
    Name{Level::info, "info", 6, ""},
    Name{Level::debug, "debug", 7, "\x1b[2m"},
};
constexpr std::string_view kPlain = "\x1b[0m";

Level threshold = Level::info;
std::size_t lost = 0;  // lines for which there was no room

bool coloured() {
  static const bool wanted = locket::proto::wants_colour(STDERR_FILENO);
  return wanted;
}

std::string time_of_day() {
  using namespace std::chrono;
  const auto now = system_clock::now();
  const auto millis = duration_cast<milliseconds>(now.time_since_epoch()).count() % 1000;
  return fmt::format("{:%H:%M:%S}.{:03}", fmt::localtime(system_clock::to_time_t(now)), millis);
}

std::string line_of(const Name& name, std::string_view text) {
  if (under_journal()) return fmt::format("<{}>{}", name.priority, text);
  if (!coloured() || name.colour.empty()) {
    return fmt::format("{} locketd {}: {}", time_of_day(), name.name, text);
  }
  return fmt::format("{} locketd {}{}{}: {}", time_of_day(), name.colour, name.name, kPlain, text);
}

// A reader that has stopped reading must not stop all locking. A pipe in which poll(2) finds room
// takes PIPE_BUF bytes at once (pipe(7)), so a line is no longer. One write per line: lines of
// several processes never mix.
bool try_write(std::string line) {
  line = locket::proto::shorten(line, PIPE_BUF - 1);
  line += '\n';
  pollfd room{STDERR_FILENO, POLLOUT, 0};
  if (::poll(&room, 1, 0) == 0) return false;
  if (::send(STDERR_FILENO, line.data(), line.size(), MSG_DONTWAIT | MSG_NOSIGNAL) >= 0)
    return true;
  return errno == ENOTSOCK && ::write(STDERR_FILENO, line.data(), line.size()) >= 0;
}

bool try_tell_journal(const Name& name, std::string_view text, std::span<const Field> fields) {
  static Journal journal;
  return !fields.empty() && under_journal() && journal.try_send(name.priority, text, fields);
}

const Name& row_of(Level level) {
  return *std::ranges::find(kNames, level, &Name::level);
}

}  // namespace

// The variable names the stream (systemd.exec(5)), so that a redirected stderr is not mistaken for
// it.
bool under_journal() {
  static const bool same = [] {
    const auto stream = locket::proto::variable("JOURNAL_STREAM");
    struct stat info{};
    return stream && ::fstat(STDERR_FILENO, &info) == 0 &&
           fmt::format("{}:{}", info.st_dev, info.st_ino) == *stream;
  }();
  return same;
}

std::optional<Level> level_from(std::string_view name) {
  const auto found = std::ranges::find(kNames, name, &Name::name);
  if (found == kNames.end()) return std::nullopt;
  return found->level;
}

std::string_view name_of(Level level) {
  return row_of(level).name;
}

void set_level(Level level) {
  threshold = level;
}

bool enabled(Level level) {
  return level <= threshold;
}

void write(Level level, std::string_view text, std::span<const Field> fields) {
  if (try_tell_journal(row_of(level), text, fields)) return;
  if (lost > 0) {
    const auto note = fmt::format("{} lines of this log were lost: nobody read them", lost);
    if (try_write(line_of(row_of(Level::warning), note))) lost = 0;
  }
  if (lost > 0 || !try_write(line_of(row_of(level), text))) ++lost;
}

}  // namespace locketd::log
