#include "client/lock.hpp"

#include <fmt/format.h>

#include <new>
#include <utility>

#include "client/inherit.hpp"
#include "client/lost_lock.hpp"
#include "client/os_unlock.hpp"
#include "client/queries.hpp"
#include "proto/limits.hpp"
#include "proto/lock_file.hpp"
#include "proto/text.hpp"

namespace locket::client {

using proto::Errc;
using proto::Error;
using proto::Failure;

std::expected<std::unique_ptr<Lock>, Error> Lock::make(const std::string& path, Process& process) {
  auto absolute = proto::absolute(path);
  if (!absolute) return std::unexpected(std::move(absolute.error()));
  return std::unique_ptr<Lock>(new Lock(process, std::move(*absolute)));
}

Lock::Lock(Process& process, std::string path) : process_(process), path_(std::move(path)) {}

Lock::~Lock() {
  process_.herald.set_callback(&handle_, {});
  leave_parking();
  while (auto hold = process_.custody.take(&handle_)) {
    release_hold(std::move(*hold), process_.connection);
  }
}

std::expected<proto::Token, Failure> Lock::acquire(proto::Mode mode,
                                                   std::optional<proto::Seconds> timeout) {
  auto attempt = begin(mode, timeout);
  if (!attempt) return std::unexpected(std::move(attempt.error()));
  return *attempt->wait(kNever);
}

std::expected<Acquisition, Failure> Lock::begin(proto::Mode mode,
                                                std::optional<proto::Seconds> timeout) {
  Wish wish{path_, mode, timeout, {}};
  {
    const std::lock_guard lock(process_.handles);
    wish.reason = reason_;
  }
  return Acquisition::begin(process_, &handle_, std::move(wish));
}

std::expected<void, Error> Lock::release() {
  look_for_losses();
  const std::uint64_t forks = process_.parking.forks();
  auto hold = process_.custody.take(&handle_);
  if (hold && hold->claim->park && !hold->lost) {
    release_and_park(std::move(*hold), forks);
    return {};
  }
  if (!hold) {
    // Perhaps acquired through another handle: the same file is the same lock (C5).
    if (const auto file = proto::identify(path_)) hold = process_.custody.take(*file);
  }
  if (!hold) {
    return std::unexpected(Error{
        Errc::not_held, fmt::format("cannot release unlocked lock: {}", proto::escape(path_))});
  }
  const bool lost = hold->lost;
  release_hold(std::move(*hold), process_.connection);
  if (!lost) return {};
  return std::unexpected(
      Error{Errc::lost,
            fmt::format("the lock on {} was lost while locketd was away", proto::escape(path_))});
}

// As release_hold(), but the file stays open.
void Lock::release_and_park(Hold hold, std::uint64_t forks) {
  os_unlock_open(hold.claim->descriptor.get());
  const auto session = process_.connection.notify_and_park(hold.token);
  if (session == 0) return;
  ParkedFile file{std::move(hold.claim->descriptor), hold.claim->file, hold.token, session};
  switch (process_.parking.put(handle_.place, file, forks)) {
    case Parking::Put::refused:
      return process_.connection.notify(proto::Unpark{hold.token});
    case Parking::Put::parked_first:
      return process_.connection.watch_parking();
    case Parking::Put::parked:
      return;
  }
}

void Lock::leave_parking() {
  if (const auto file = process_.parking.empty(handle_.place)) {
    process_.connection.notify(proto::Unpark{file->token});
  }
}

std::expected<Lock::Kept, Error> Lock::keep_across_exec(std::string_view command) {
  if (token() == 0) {
    return std::unexpected(
        Error{Errc::not_held, fmt::format("cannot keep unlocked lock: {}", proto::escape(path_))});
  }
  if (auto detached = detach(process_.connection, command); !detached) {
    return std::unexpected(std::move(detached.error()));
  }
  Kept kept{token(), -1};
  process_.custody.with(kept.token, [&](const Hold& hold) {
    const int descriptor = hold.claim->descriptor.get();
    if (keep_open_across_exec(descriptor)) kept.descriptor = descriptor;
  });
  if (kept.descriptor < 0) {
    return std::unexpected(Error{
        Errc::lost, fmt::format("the lock on {} was lost or released", proto::escape(path_))});
  }
  return kept;
}

void Lock::on_lost(Herald::Callback callback) {
  process_.herald.set_callback(&handle_, std::move(callback));
}

proto::Token Lock::token() const {
  look_for_losses();
  return known_token();
}

// While no daemon can report a lock that was unlocked by force, the kernel is asked (C6).
void Lock::look_for_losses() const noexcept try {
  if (!process_.connection.is_in_doubt()) return;
  while (const proto::Token token = known_token()) {
    if (!is_lock_lost(process_.custody, token)) return;
    lose_hold(token, process_.custody, process_.herald);
    // A daemon may already have this hold on record, and others would wait for it.
    process_.connection.notify(proto::Release{token});
  }
} catch (const std::bad_alloc&) {
  return;  // then the loss stays unknown, and the next daemon will report it
}

proto::Token Lock::known_token() const {
  if (const auto token = process_.custody.peek(&handle_)) return *token;
  const auto file = proto::identify(path_);
  return file ? process_.custody.peek(*file) : 0;
}

std::expected<void, Error> Lock::set_reason(std::string_view reason) {
  std::string escaped = proto::escape(reason);
  if (escaped.size() > proto::kMaxReasonBytes) {
    return std::unexpected(Error{
        Errc::invalid_params, fmt::format("the reason is too long: {} bytes, where {} are allowed",
                                          escaped.size(), proto::kMaxReasonBytes)});
  }
  const std::lock_guard lock(process_.handles);
  reason_ = std::move(escaped);
  return {};
}

}  // namespace locket::client
