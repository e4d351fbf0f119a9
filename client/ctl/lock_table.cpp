#include "client/ctl/lock_table.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <unordered_map>

#include "client/holders.hpp"
#include "proto/codec.hpp"
#include "proto/text.hpp"

namespace locketctl {
namespace {

namespace client = locket::client;
namespace proto = locket::proto;
using Json = nlohmann::ordered_json;
using proto::Row;

constexpr std::array<std::string_view, 8> kColumns{"PATH", "STATE",   "MODE", "PID",
                                                   "USER", "COMMAND", "AGE",  "REASON"};
constexpr std::size_t kState = 1;

using Line = std::array<std::string, kColumns.size()>;

Line line_of(const Row& row) {
  return {row.path,
          row.state == Row::State::held ? "held" : "waiting",
          std::string(proto::name_of(row.mode)),
          row.pid > 0 ? std::to_string(row.pid) : "-",
          client::user_name(row.uid),
          row.command.empty() ? "-" : row.command,
          client::duration_text(row.age),
          row.reason};
}

Line external_line(const ListedLock& lock) {
  Line line{lock.path, "external", "-", "-", "-", "-", "-", ""};
  if (const auto& holder = lock.external_holder) {
    line[2] = proto::name_of(holder->mode);
    line[3] = std::to_string(holder->pid);
    if (holder->uid) line[4] = client::user_name(*holder->uid);
    if (!holder->command.empty()) line[5] = holder->command;
  }
  return line;
}

std::vector<Line> lines_of(const std::vector<ListedLock>& locks) {
  std::vector<Line> lines;
  for (const ListedLock& lock : locks) {
    for (const Row& row : lock.holders) lines.push_back(line_of(row));
    if (lock.external) lines.push_back(external_line(lock));
    for (const Row& row : lock.waiters) lines.push_back(line_of(row));
  }
  for (Line& line : lines) {
    // Escaped by the daemon, but that daemon may be another user's.
    for (std::string& cell : line) cell = proto::printable(cell);
  }
  return lines;
}

// Characters, not bytes: counts all bytes but the continuation bytes of UTF-8.
std::size_t width_of(std::string_view text) {
  return static_cast<std::size_t>(std::ranges::count_if(
      text, [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }));
}

std::string_view colour_of(std::string_view state) {
  if (state == "waiting") return "\x1b[33m";
  if (state == "external") return "\x1b[35m";
  return "\x1b[32m";
}

std::string padded(const Line& line, const std::array<std::size_t, kColumns.size()>& widths,
                   bool colour) {
  std::string text;
  for (std::size_t i = 0; i < line.size(); ++i) {
    if (colour && i == kState) text += colour_of(line[i]);
    text += line[i];
    if (colour && i == kState) text += "\x1b[0m";
    if (i + 1 < line.size()) text.append(widths[i] - width_of(line[i]) + 2, ' ');
  }
  text.erase(text.find_last_not_of(' ') + 1);
  return text + '\n';
}

// Null and not 0 where the daemon cannot tell: kill(2) takes 0 for the caller's own process group.
Json pid_json(std::int64_t pid) {
  return pid > 0 ? Json(pid) : Json(nullptr);
}

Json common_json(const Row& row) {
  return {{"pid", pid_json(row.pid)},
          {"uid", row.uid},
          {"user", client::user_name(row.uid)},
          {"command", row.command},
          {"mode", proto::name_of(row.mode)}};
}

Json holder_json(const Row& row) {
  Json json = common_json(row);
  json["token"] = row.token;
  json["since"] = row.since;
  json["held_s"] = row.age;
  json["reason"] = row.reason;
  return json;
}

Json waiter_json(const Row& row, std::size_t position) {
  Json json = common_json(row);
  json["position"] = position;
  json["since"] = row.since;
  json["waiting_s"] = row.age;
  json["timeout_s"] = row.timeout ? Json(*row.timeout) : Json(nullptr);
  json["reason"] = row.reason;
  return json;
}

Json external_json(const ListedLock& lock) {
  if (!lock.external) return nullptr;
  Json json{{"pid", nullptr},
            {"uid", nullptr},
            {"user", nullptr},
            {"command", nullptr},
            {"mode", nullptr}};
  if (const auto& holder = lock.external_holder) {
    json["pid"] = pid_json(holder->pid);
    json["command"] = holder->command;
    json["mode"] = proto::name_of(holder->mode);
    if (holder->uid) {
      json["uid"] = *holder->uid;
      json["user"] = client::user_name(*holder->uid);
    }
  }
  return json;
}

}  // namespace

std::vector<ListedLock> group_by_lock(std::vector<Row> rows) {
  std::vector<ListedLock> locks;
  std::unordered_map<std::uint64_t, std::size_t> places;
  for (Row& row : rows) {
    const auto [place, is_new] = places.try_emplace(row.lock, locks.size());
    if (is_new) {
      locks.push_back({.path = row.path,
                       .file = row.file,
                       .holders = {},
                       .waiters = {},
                       .external_holder = {}});
    }
    ListedLock& lock = locks[place->second];
    lock.external |= row.external;
    (row.state == Row::State::held ? lock.holders : lock.waiters).push_back(std::move(row));
  }
  return locks;
}

std::string as_table(const std::vector<ListedLock>& locks, TableStyle style) {
  const auto lines = lines_of(locks);
  Line legend;
  std::ranges::copy(kColumns, legend.begin());
  std::array<std::size_t, kColumns.size()> widths{};
  const auto widen = [&](const Line& line) {
    for (std::size_t i = 0; i < line.size(); ++i)
      widths[i] = std::max(widths[i], width_of(line[i]));
  };
  if (style.legend) widen(legend);
  std::ranges::for_each(lines, widen);

  std::string text;
  if (style.legend) text += padded(legend, widths, false);
  for (const Line& line : lines) text += padded(line, widths, style.colour);
  return text;
}

std::string as_json(const std::vector<ListedLock>& locks) {
  Json list = Json::array();
  for (const ListedLock& lock : locks) {
    Json holders = Json::array();
    for (const Row& row : lock.holders) holders.push_back(holder_json(row));
    Json waiters = Json::array();
    for (const Row& row : lock.waiters) waiters.push_back(waiter_json(row, waiters.size() + 1));
    list.push_back({{"path", lock.path},
                    {"device", lock.file.device},
                    {"inode", lock.file.inode},
                    {"holders", std::move(holders)},
                    {"waiters", std::move(waiters)},
                    {"external", external_json(lock)}});
  }
  return Json{{"locks", std::move(list)}}.dump(2, ' ', false, Json::error_handler_t::replace) +
         '\n';
}

}  // namespace locketctl
