#include "client/acquisition.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <new>
#include <utility>

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

Acquisition::Acquisition(Process& process, Custody::Handle* owner, Wish wish)
    : process_(&process),
      owner_(owner),
      wish_(std::move(wish)),
      deadline_(wish_.timeout ? after(*wish_.timeout) : kNever),
      backstop_(backstop_for(wish_, deadline_)) {}

std::expected<Acquisition, Failure> Acquisition::begin(Process& process, Custody::Handle* owner,
                                                       Wish wish) {
  Acquisition attempt(process, owner, std::move(wish));
  if (auto asked = attempt.ask(); !asked) return std::unexpected(std::move(asked.error()));
  return attempt;
}

std::expected<void, Failure> Acquisition::ask() {
  auto claim = std::make_unique<Claim>(
      proto::Acquire{proto::escape(wish_.path), wish_.mode, wish_.timeout, wish_.reason});
  auto [parked, park, forks] = process_->parking.begin(owner_->place, claim->since);
  claim->park = park;
  claim->forks = forks;
  const proto::Token token = parked ? parked->token : 0;
  try {
    if (auto found = find_file(*claim, std::move(parked)); !found) {
      return std::unexpected(Failure{std::move(found.error()), std::nullopt});
    }
    return send(std::move(claim));
  } catch (const std::bad_alloc&) {
    if (token != 0) process_->connection.notify(proto::Unpark{token});
    throw;
  }
}

// The parked file, if the path still names it and the right to open it is unchanged. Otherwise
// opens the file.
std::expected<void, proto::Error> Acquisition::find_file(Claim& claim,
                                                         std::optional<ParkedFile> parked) {
  if (parked) {
    if (const auto named = proto::look_at(wish_.path); named && *named == parked->state) {
      claim.file = parked->state;
      claim.descriptor = std::move(parked->descriptor);
      claim.asked.parked = parked->token;
      claim.local = true;
      claim.parked_in = parked->session;
      return {};
    }
    process_->connection.notify(proto::Unpark{parked->token});
    parked.reset();
    do_not_park(claim);  // writing into the file at each hold would make both necessary
  }
  auto opened = proto::open_and_identify(wish_.path, wish_.mode);
  if (!opened) return std::unexpected(std::move(opened.error()));
  claim.file = opened->state;
  claim.descriptor = std::move(opened->descriptor);
  claim.local = proto::is_local(claim.descriptor.get());
  if (claim.park && !claim.local) do_not_park(claim);
  return {};
}

// Parks neither this claim's file nor, for a while, the handle's next ones.
void Acquisition::do_not_park(Claim& claim) {
  claim.park = false;
  process_->parking.bar(owner_->place, claim.since);
}

std::expected<void, Failure> Acquisition::send(ClaimPtr claim) {
  file_ = claim->file.id;
  if (wish_.timeout) claim->deadline = deadline_;
  claim->at_once = wish_.timeout == proto::Seconds::zero();
  auto pending = process_->connection.start(std::move(claim), backstop_);
  if (!pending) {
    // The backlog stayed full until the end: the wait has failed, not the daemon.
    if (pending.error().os_error == EAGAIN) pending.error().code = code_of_silence();
    return std::unexpected(Failure{std::move(pending.error()), std::nullopt});
  }
  pending_ = std::move(*pending);
  return {};
}

std::optional<Acquisition::Outcome> Acquisition::wait(TimePoint until) {
  for (;;) {
    auto answer = pending_.wait(std::min(until, backstop_));
    if (!answer) {
      if (Clock::now() < backstop_) return std::nullopt;
      auto failure = silence();
      pending_ = Pending();
      return std::unexpected(std::move(failure));
    }
    if (auto* failure = std::get_if<Failure>(&*answer)) {
      if (failure->error.code != Errc::not_parked) return std::unexpected(std::move(*failure));
      // The daemon has not kept the file open: pass it again.
      process_->parking.bar(owner_->place, Clock::now());
      if (auto asked = ask(); !asked) return std::unexpected(std::move(asked.error()));
      continue;
    }
    const auto* grant = std::get_if<proto::Grant>(&*answer);
    if (grant == nullptr) {
      return std::unexpected(Failure{
          {Errc::internal_error, "locketd's answer is not one to an acquire"}, std::nullopt});
    }
    if (auto outcome = check_grant(grant->token)) return outcome;
  }
}

// The hold, if the path still names the file that was locked (C11). Otherwise the hold is useless:
// a newcomer opens another file and gets another lock. Then the attempt begins again, as it also
// does if the lock was lost with its daemon before this thread took the hold.
std::optional<Acquisition::Outcome> Acquisition::check_grant(proto::Token token) {
  try {
    const auto now = proto::identify(wish_.path);
    if (now && *now == file_ && process_->custody.adopt(token, owner_)) return token;
  } catch (const std::bad_alloc&) {
    // A hold that no handle has could never be released.
    if (auto hold = process_->custody.take(token)) {
      release_hold(std::move(*hold), process_->connection);
    }
    throw;
  }

  if (auto hold = process_->custody.take(token)) {
    release_hold(std::move(*hold), process_->connection);
  }
  if (Clock::now() >= backstop_) {
    return std::unexpected(Failure{{Errc::timed_out, fmt::format("{} was replaced again and again",
                                                                 proto::escape(wish_.path))},
                                   std::nullopt});
  }
  if (auto asked = ask(); !asked) return std::unexpected(std::move(asked.error()));
  return std::nullopt;
}

Errc Acquisition::code_of_silence() const {
  return *wish_.timeout == proto::Seconds::zero() ? Errc::no_daemon : Errc::timed_out;
}

// The daemon has not answered in time: it is stopped or gone, or the machine is very busy.
Failure Acquisition::silence() const {
  const auto absence = process_->connection.absence();
  return {{code_of_silence(),
           absence ? fmt::format("locketd went away and is not back yet ({})", absence->message)
                   : "locketd does not answer"},
          std::nullopt};
}

}  // namespace locket::client
