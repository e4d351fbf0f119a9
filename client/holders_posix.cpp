#include <fmt/format.h>
#include <pwd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <iterator>
#include <string_view>

#include "client/external_holder.hpp"
#include "client/holders.hpp"
#include "proto/text.hpp"

namespace locket::client {
namespace {

Holder holder_from(const proto::Row& row) {
  Holder holder;
  holder.pid = row.pid;
  holder.uid = row.uid;
  holder.user = user_name(row.uid);
  holder.command = row.command;
  holder.reason = row.reason;
  holder.mode = row.mode;
  holder.since = row.since;
  holder.held = row.age;
  holder.token = row.token;
  return holder;
}

Holder holder_from(const ExternalHolder& found) {
  Holder holder;
  holder.pid = found.pid;
  holder.uid = found.uid;
  if (found.uid) holder.user = user_name(*found.uid);
  holder.command = found.command;
  holder.mode = found.mode;
  holder.external = true;
  return holder;
}

// "pid 4242 (backup, user ann)", as far as is known.
std::string name_of(const Holder& holder) {
  if (holder.pid <= 0) {
    return holder.external ? "a process that does not use locketd"
                           : "a process of another pid namespace";
  }
  std::string name = fmt::format("pid {}", holder.pid);
  if (holder.pid == ::getpid()) name = "this process itself, " + name;
  if (!holder.command.empty() || !holder.user.empty()) {
    name += fmt::format(" ({}{}{}{})", holder.command,
                        holder.command.empty() || holder.user.empty() ? "" : ", ",
                        holder.user.empty() ? "" : "user ", holder.user);
  }
  if (holder.external) name += " without locketd";
  return name;
}

std::string text_of(const Holder& holder) {
  std::string text = name_of(holder);
  if (!holder.external) text += " for " + duration_text(holder.held);
  if (!holder.reason.empty()) text += ": " + holder.reason;
  return text;
}

}  // namespace

std::string user_name(std::uint32_t uid) {
  constexpr std::size_t kEnough = std::size_t{1} << 20;
  std::string buffer(1024, '\0');
  for (;;) {
    passwd entry{};
    passwd* found = nullptr;
    const int error = ::getpwuid_r(uid, &entry, buffer.data(), buffer.size(), &found);
    if (error == EINTR) continue;
    if (error == ERANGE && buffer.size() < kEnough) {
      buffer.resize(2 * buffer.size());
      continue;
    }
    return found != nullptr ? proto::escape(found->pw_name) : std::to_string(uid);
  }
}

std::vector<Holder> holders_of(const proto::Refusal& refusal, std::int64_t daemon_pid) {
  std::vector<Holder> holders;
  holders.reserve(refusal.holders.size() + 1);
  for (const proto::Row& row : refusal.holders) holders.push_back(holder_from(row));
  if (!refusal.external && !holders.empty()) return holders;
  if (const auto found = find_external_holder(refusal.file, daemon_pid)) {
    holders.push_back(holder_from(*found));
  } else if (refusal.external) {
    holders.emplace_back().external = true;
  }
  return holders;
}

std::string refusal_text(std::string_view path, const proto::Refusal& refusal,
                         const std::vector<Holder>& holders) {
  std::string text(path);
  const bool shared = std::ranges::any_of(
      holders, [](const Holder& holder) { return holder.mode == proto::Mode::shared; });
  text += shared ? " is locked shared" : " is locked";
  std::string_view before = " by ";
  for (const Holder& holder : holders) {
    text += before;
    text += text_of(holder);
    before = "; ";
  }
  const auto out = std::back_inserter(text);
  if (refusal.holder_count > refusal.holders.size()) {
    fmt::format_to(out, "; and {} more", refusal.holder_count - refusal.holders.size());
  }
  if (refusal.waiters > 0) {
    fmt::format_to(
        out, "; {} for it",
        refusal.waiters == 1 ? "1 other waits" : fmt::format("{} others wait", refusal.waiters));
  }
  return text;
}

std::string timeout_text(std::string_view reason, proto::Seconds timeout) {
  if (timeout == proto::Seconds::zero()) return std::string(reason);
  return fmt::format("timed out after {:g} s: {}", timeout.count(), reason);
}

std::string duration_text(double seconds) {
  constexpr double kMinute = 60;
  constexpr double kHour = 60 * kMinute;
  constexpr double kDay = 24 * kHour;
  // Each unit starts at two, so that rounding never distorts much.
  if (seconds < 9.95) return fmt::format("{:.1f} s", std::max(seconds, 0.0));
  if (seconds < 2 * kMinute) return fmt::format("{:.0f} s", seconds);
  if (seconds < 2 * kHour) return fmt::format("{:.0f} min", seconds / kMinute);
  if (seconds < 2 * kDay) return fmt::format("{:.0f} h", seconds / kHour);
  return fmt::format("{:.0f} days", seconds / kDay);
}

}  // namespace locket::client
