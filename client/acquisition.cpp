#include "client/acquisition.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "client/os_unlock.hpp"
#include "proto/lock_file.hpp"
#include "proto/text.hpp"

namespace locket::client {
namespace {

using proto::Errc;
using proto::Failure;

TimePoint backstop_for(const Wish& wish, TimePoint deadline) {
  if (!wish.timeout) return kNever;
  if (*wish.timeout == proto::Seconds::zero()) return Clock::now() + kPatience;
  return deadline + kReplyGrace;
}

}  // namespace

Acquisition::Acquisition(Connection& connection, Wish wish)
    : connection_(&connection),
      wish_(std::move(wish)),
      deadline_(wish_.timeout ? after(*wish_.timeout) : kNever),
      backstop_(backstop_for(wish_, deadline_)) {}

Acquisition::~Acquisition() {
  // Before pending_ tells the daemon, so that the lock is free by the time that it looks (invariant
  // 1).
  os_unlock(std::move(descriptor_));
}

std::expected<Acquisition, Failure> Acquisition::begin(Connection& connection, Wish wish) {
  Acquisition attempt(connection, std::move(wish));
  if (auto asked = attempt.ask(); !asked) return std::unexpected(std::move(asked.error()));
  return attempt;
}

std::expected<void, Failure> Acquisition::ask() {
  auto file = proto::open_lock_file(wish_.path);
  if (!file) return std::unexpected(Failure{std::move(file.error()), std::nullopt});
  auto id = proto::identify(file->get());
  if (!id) return std::unexpected(Failure{std::move(id.error()), std::nullopt});

  proto::Acquire request{proto::escape(wish_.path), wish_.mode, std::nullopt, wish_.reason};
  if (wish_.timeout) request.timeout = left_until(deadline_);
  auto pending = connection_->start(request, file->get(), backstop_);
  if (!pending) {
    // EAGAIN: tried until the end to get a word in.
    if (pending.error().os_error == EAGAIN) return std::unexpected(silence());
    return std::unexpected(Failure{std::move(pending.error()), std::nullopt});
  }
  descriptor_ = std::move(*file);
  file_ = *id;
  pending_ = std::move(*pending);
  return {};
}

std::optional<Acquisition::Outcome> Acquisition::wait(TimePoint until) {
  for (;;) {
    auto answer = pending_.wait(std::min(until, backstop_));
    if (!answer) {
      if (Clock::now() < backstop_) return std::nullopt;
      give_up();
      return std::unexpected(silence());
    }
    if (auto* failure = std::get_if<Failure>(&*answer)) {
      give_up();
      return std::unexpected(std::move(*failure));
    }
    const auto* grant = std::get_if<proto::Grant>(&*answer);
    if (grant == nullptr) {
      give_up();
      return std::unexpected(Failure{
          {Errc::internal_error, "locketd's answer is not one to an acquire"}, std::nullopt});
    }
    if (auto outcome = check_grant(grant->token)) return outcome;
  }
}

// The hold, if the path still names the file that was locked (C11). Else it is of no use: whoever
// comes now opens another file and gets another lock. Then the attempt begins again.
std::optional<Acquisition::Outcome> Acquisition::check_grant(proto::Token token) {
  Hold hold;
  hold.file = file_;
  hold.token = token;
  hold.mode = wish_.mode;
  hold.session = pending_.session();
  hold.descriptor = std::move(descriptor_);
  if (const auto now = proto::identify(wish_.path); now && *now == file_) return hold;

  release_hold(std::move(hold), *connection_);
  if (Clock::now() >= backstop_) {
    return std::unexpected(Failure{{Errc::timed_out, fmt::format("{} was replaced again and again",
                                                                 proto::escape(wish_.path))},
                                   std::nullopt});
  }
  if (auto asked = ask(); !asked) return std::unexpected(std::move(asked.error()));
  return std::nullopt;
}

void Acquisition::give_up() {
  os_unlock(std::move(descriptor_));
  pending_ = Pending();
}

// The daemon has not said a word in time: it is stopped, or the machine is very busy.
Failure Acquisition::silence() const {
  if (*wish_.timeout == proto::Seconds::zero()) {
    return {{Errc::no_daemon, "locketd does not answer"}, std::nullopt};
  }
  return {{Errc::timed_out, "locketd does not answer"}, std::nullopt};
}

}  // namespace locket::client
