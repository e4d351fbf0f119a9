#include "daemon/settings.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <array>

#include "proto/option_text.hpp"
#include "proto/socket_path.hpp"

namespace locketd {
namespace {

namespace proto = locket::proto;
using Outcome = std::expected<void, std::string>;

constexpr std::string_view kGeneral = "Options";
constexpr std::string_view kLimits = "Limits for each user";
constexpr std::uint64_t kHighestLimit = 10'000'000;
constexpr std::uint64_t kHighestBytes = 1'000'000'000'000;
constexpr std::string_view kAuto = "auto";

Outcome read_socket(Options& options, const std::string& text) {
  if (const auto checked = proto::check_socket_path(text); !checked) {
    return std::unexpected(": " + checked.error().message);
  }
  options.socket = text;
  return {};
}

std::string shown_socket(const Options& options) {
  return options.socket;
}

Outcome read_log_level(Options& options, const std::string& text) {
  const auto level = log::level_from(text);
  if (!level) {
    return std::unexpected(
        fmt::format(" takes error, warning, info or debug, not {}", proto::in_quotes(text)));
  }
  options.log_level = *level;
  return {};
}

std::string shown_log_level(const Options& options) {
  return std::string(log::name_of(options.log_level));
}

template <std::size_t UserLimits::* Limit, std::uint64_t Most = kHighestLimit>
Outcome read_limit(Options& options, const std::string& text) {
  const auto number = proto::whole_number(text, 1, Most);
  if (!number) return std::unexpected(number.error());
  options.limits.*Limit = *number;
  return {};
}

template <std::size_t UserLimits::* Limit>
std::string shown_limit(const Options& options) {
  return std::to_string(options.limits.*Limit);
}

Outcome read_descriptors(Options& options, const std::string& text) {
  if (text == kAuto) {
    options.limits.descriptors = 0;
    return {};
  }
  auto read = read_limit<&UserLimits::descriptors>(options, text);
  if (!read) read.error() += fmt::format("; or {}", kAuto);
  return read;
}

std::string shown_descriptors(const Options& options) {
  if (options.limits.descriptors == 0) return std::string(kAuto);
  return shown_limit<&UserLimits::descriptors>(options);
}

constexpr std::array kSettings{
    Setting{"socket", "LOCKET_SOCKET", "PATH", kGeneral,
            "Where to listen; by default in $XDG_RUNTIME_DIR, or in /run where that is not set",
            read_socket, shown_socket},
    Setting{"log-level", "LOCKETD_LOG_LEVEL", "LEVEL", kGeneral,
            "What to log: error, warning, info or debug", read_log_level, shown_log_level},
    Setting{"max-sessions-per-user", "LOCKETD_MAX_SESSIONS_PER_USER", "N", kLimits, "Connections",
            read_limit<&UserLimits::sessions>, shown_limit<&UserLimits::sessions>},
    Setting{"max-held-per-user", "LOCKETD_MAX_HELD_PER_USER", "N", kLimits, "Locks held",
            read_limit<&UserLimits::held>, shown_limit<&UserLimits::held>},
    Setting{"max-waiting-per-user", "LOCKETD_MAX_WAITING_PER_USER", "N", kLimits,
            "Requests that wait", read_limit<&UserLimits::waiting>,
            shown_limit<&UserLimits::waiting>},
    Setting{"max-text-per-user", "LOCKETD_MAX_TEXT_PER_USER", "BYTES", kLimits,
            "Paths and reasons of locks held and of requests that wait",
            read_limit<&UserLimits::text, kHighestBytes>, shown_limit<&UserLimits::text>},
    Setting{"max-descriptors-per-user", "LOCKETD_MAX_DESCRIPTORS_PER_USER", "N", kLimits,
            "Descriptors open for all of these; auto: 7/8 of those that no other user has",
            read_descriptors, shown_descriptors},
};

std::vector<std::string> column(std::string_view Setting::* member) {
  std::vector<std::string> texts;
  for (const Setting& setting : kSettings) texts.emplace_back(setting.*member);
  return texts;
}

}  // namespace

std::span<const Setting> settings() {
  return kSettings;
}

std::vector<std::string> names_of_settings() {
  return column(&Setting::name);
}

std::vector<std::string> variables_of_settings() {
  return column(&Setting::variable);
}

}  // namespace locketd
