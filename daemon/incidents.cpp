#include "daemon/incidents.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <span>
#include <utility>

#include "proto/text.hpp"

namespace locketd {

namespace {

using Kind = Incident::Kind;

// For people, and for programs: both stay as they are.
struct Names {
  std::string_view text;
  std::string_view field;
};

Names names_of(Kind kind) {
  switch (kind) {
    case Kind::connection_refused:
      return {"connection refused", "connection_refused"};
    case Kind::request_refused:
      return {"request refused", "request_refused"};
    case Kind::session_ended:
      return {"session ended", "session_ended"};
    case Kind::lock_taken_away:
      return {"lock taken away", "lock_taken_away"};
    case Kind::lock_lost:
      return {"lock lost", "lock_lost"};
    case Kind::kept_session_dropped:
      return {"kept session dropped", "kept_session_dropped"};
  }
  std::unreachable();
}

// Enough for a release that is on its way, even if its thread has just lost the processor.
constexpr std::chrono::seconds kRelease{1};

// So many wait for their release, each with its texts; each release looks at all of them.
constexpr std::size_t kMostLosses = 256;

// The line stays short enough to read; the field has the whole path.
constexpr std::size_t kPathShown = 1024;

}  // namespace

Incidents::~Incidents() {
  losses_.clear();
  see_to_time(Monotonic::max());
}

void Incidents::tell(Monotonic now, log::Level level, const Incident& incident) {
  if (!log::enabled(level)) return;
  if (level != log::Level::debug && !budget_.spend(now, incident.user)) return;
  const auto names = names_of(incident.kind);
  const auto path = incident.path.empty() ? "-" : locket::proto::printable(incident.path);
  const std::array fields{
      log::Field{"LOCKET_EVENT", std::string(names.field)},
      log::Field{"LOCKET_PID", fmt::to_string(incident.pid)},
      log::Field{"LOCKET_UID", fmt::to_string(incident.user)},
      log::Field{"LOCKET_PATH", path},
  };
  log::write(
      level,
      fmt::format("{}: pid {}, user {}, path {}: {}", names.text, incident.pid, incident.user,
                  locket::proto::shorten(path, kPathShown), locket::proto::printable(incident.why)),
      std::span(fields).first(incident.path.empty() ? 3 : 4));
}

void Incidents::tell_later(Monotonic now, SessionId session, Token token, const Incident& lost) {
  if (losses_.size() == kMostLosses) return tell(now, log::Level::warning, lost);
  losses_.push_back({now + kRelease, session, token, lost.pid, lost.user, std::string(lost.path),
                     std::string(lost.why)});
}

void Incidents::released(SessionId session, Token token) {
  std::erase_if(losses_,
                [&](const Loss& loss) { return loss.session == session && loss.token == token; });
}

std::optional<Monotonic> Incidents::next_deadline() const {
  const auto counted = budget_.next_deadline();
  if (losses_.empty()) return counted;
  return counted ? std::min(*counted, losses_.front().due) : losses_.front().due;
}

void Incidents::see_to_time(Monotonic now) {
  for (; !losses_.empty() && losses_.front().due <= now; losses_.pop_front()) {
    const Loss& loss = losses_.front();
    tell(loss.due, log::Level::warning,
         {Kind::lock_lost, loss.pid, loss.user, loss.path, loss.why});
  }
  for (const auto& [user, lines] : budget_.left_out(now)) {
    const std::array fields{
        log::Field{"LOCKET_EVENT", "lines_left_out"},
        log::Field{"LOCKET_UID", fmt::to_string(user)},
        log::Field{"LOCKET_LINES", fmt::to_string(lines)},
    };
    log::write(log::Level::warning,
               fmt::format("lines left out: user {}: {} more of these within {} s", user, lines,
                           LineBudget::kWindow.count()),
               fields);
  }
}

}  // namespace locketd
