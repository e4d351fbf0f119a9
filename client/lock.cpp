#include "client/lock.hpp"

#include <fmt/format.h>

#include <utility>

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
  while (auto hold = process_.custody.take(this)) {
    release_hold(std::move(*hold), process_.connection);
  }
}

std::expected<proto::Token, Failure> Lock::acquire(proto::Mode mode,
                                                   std::optional<proto::Seconds> timeout) {
  auto attempt = begin(mode, timeout);
  if (!attempt) return std::unexpected(std::move(attempt.error()));
  auto outcome = *attempt->wait(kNever);
  if (!outcome) return std::unexpected(std::move(outcome.error()));
  return adopt(std::move(*outcome));
}

std::expected<Acquisition, Failure> Lock::begin(proto::Mode mode,
                                                std::optional<proto::Seconds> timeout) {
  Wish wish{path_, mode, timeout, {}};
  {
    const std::lock_guard lock(mutex_);
    wish.reason = reason_;
  }
  return Acquisition::begin(process_.connection, std::move(wish));
}

proto::Token Lock::adopt(Hold hold) {
  const proto::Token token = hold.token;
  process_.custody.add(this, std::move(hold));
  return token;
}

std::expected<void, Error> Lock::release() {
  auto hold = process_.custody.take(this);
  if (!hold) {
    // Perhaps acquired through another handle: the same file is the same lock (C5).
    if (const auto file = proto::identify(path_)) hold = process_.custody.take(*file);
  }
  if (!hold) {
    return std::unexpected(Error{
        Errc::not_held, fmt::format("cannot release unlocked lock: {}", proto::escape(path_))});
  }
  release_hold(std::move(*hold), process_.connection);
  return {};
}

proto::Token Lock::token() const {
  if (const proto::Token token = process_.custody.peek(this)) return token;
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
  const std::lock_guard lock(mutex_);
  reason_ = std::move(escaped);
  return {};
}

}  // namespace locket::client
