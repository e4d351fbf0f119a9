// The arbiter's events and rows as lines of text, for tests to compare and to print.

#pragma once

#include <fmt/format.h>

#include <string>
#include <variant>
#include <vector>

#include "daemon/arbiter.hpp"
#include "proto/codec.hpp"

namespace locketd::test {

using Texts = std::vector<std::string>;

inline std::string describe(const Claim& claim) {
  return fmt::format("session {} request {} file {} {} timeout {}", claim.session, claim.request,
                     claim.file.inode, locket::proto::name_of(claim.mode),
                     claim.timeout ? fmt::format("{} ns", claim.timeout->count()) : "none");
}

inline std::string describe(const Entry& entry) {
  return fmt::format("ticket {} lock {} session {} request {} {} {} token {} since {}",
                     entry.ticket, entry.lock, entry.claim.session, entry.claim.request,
                     locket::proto::name_of(entry.claim.mode), entry.held ? "held" : "waiting",
                     entry.token, entry.since.steady.time_since_epoch().count());
}

inline std::string describe(const Granted& event) {
  return fmt::format("granted session {} request {} token {}", event.session, event.request,
                     event.token);
}
inline std::string describe(const Queued& event) {
  return fmt::format("queued session {} request {} ticket {}", event.session, event.request,
                     event.ticket);
}
inline std::string describe(const Refused& event) {
  return fmt::format("refused {} why {} os_error {} external {}", describe(event.entry),
                     static_cast<int>(event.cause.why), event.cause.os_error, event.cause.external);
}
inline std::string describe(const TryLock& event) {
  return fmt::format("try {} {}", event.ticket, locket::proto::name_of(event.mode));
}
inline std::string describe(const LookAgain& event) {
  return fmt::format("look {} {}", event.ticket, locket::proto::name_of(event.mode));
}
inline std::string describe(const AwaitLock& event) {
  return fmt::format("await {} {}", event.ticket, locket::proto::name_of(event.mode));
}
inline std::string describe(const Abandon& event) {
  return fmt::format("abandon {}", event.ticket);
}
inline std::string describe(const CheckLock& event) {
  return fmt::format("check {} {}", event.ticket, locket::proto::name_of(event.mode));
}
inline std::string describe(const Unlock& event) {
  return fmt::format("unlock {}", event.ticket);
}
inline std::string describe(const Discard& event) {
  return fmt::format("discard {}", event.ticket);
}

inline std::string describe(const Event& event) {
  return std::visit([](const auto& known) { return describe(known); }, event);
}

}  // namespace locketd::test
