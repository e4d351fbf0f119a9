// Drives the arbiter by hand: plays its clock, its OS layer and its sessions. One per test.
//
// After each step it carries out events until none is left, and records them: answers() to
// sessions, os_calls() to the OS layer, each since it was last asked for. A claim is named by its
// session and request: "ann.1 granted", "try ann.1".
//
// At each step and at the end it checks what must hold in every run: one attempt per claim at a
// time, one answer per claim, one Discard per ticket and nothing after it, and that a lock without
// claims is forgotten.

#pragma once

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cerrno>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "daemon/arbiter.hpp"
#include "tests/unit/arbiter_texts.hpp"

namespace locketd::test {

enum Somebody : SessionId { ann = 1, bob, cal, dan };

using Timeout = std::optional<std::chrono::nanoseconds>;
inline constexpr Timeout kForever = std::nullopt;
inline constexpr Timeout kAtOnce = std::chrono::nanoseconds(0);

inline constexpr FileId kFile{.device = 8, .inode = 100};
inline constexpr FileId kOtherFile{.device = 8, .inode = 200};

// How TryLock is answered.
enum class Kernel : std::uint8_t {
  free,      // at once: locked
  external,  // at once: busy; AwaitLock then waits for os_says()
  broken,    // at once: failed, EIO
  slow,      // by os_says()
};

class ArbiterDriver {
 public:
  ArbiterDriver() = default;
  ArbiterDriver(const ArbiterDriver&) = delete;
  ArbiterDriver& operator=(const ArbiterDriver&) = delete;
  ~ArbiterDriver() { finish(); }

  Kernel kernel = Kernel::free;
  bool still_locked = true;  // the kernel's answer about former holders
  bool let_go = false;       // its answer about holders on LookAgain
  Instant now{.steady = Monotonic(std::chrono::hours(1)),
              .wall = std::chrono::sys_days(std::chrono::year(2025) / 6 / 1)};
  // Called once, between due() and expire(). May call the arbiter, but not take a step of the
  // driver.
  std::function<void()> last_chance;
  Arbiter arbiter;

  bool exclusive(SessionId session, RequestId request, Timeout timeout = kForever,
                 FileId file = kFile) {
    return acquire({.session = session,
                    .request = request,
                    .file = file,
                    .mode = Mode::exclusive,
                    .timeout = timeout,
                    .path = {},
                    .reason = {}});
  }
  bool shared(SessionId session, RequestId request, Timeout timeout = kForever,
              FileId file = kFile) {
    return acquire({.session = session,
                    .request = request,
                    .file = file,
                    .mode = Mode::shared,
                    .timeout = timeout,
                    .path = {},
                    .reason = {}});
  }

  // False for a duplicate.
  bool acquire(const Claim& claim) {
    const auto ticket = arbiter.acquire(now, claim);
    if (ticket) {
      claims_[*ticket] = {.session = claim.session, .name = name(claim.session, claim.request)};
      latest_[{claim.session, claim.request}] = *ticket;
    }
    settle();
    return ticket.has_value();
  }

  // False for a duplicate.
  bool reclaim(const Claim& claim, const Former& former) {
    const auto ticket = arbiter.reclaim(now, claim, former);
    if (ticket) {
      claims_[*ticket] = {.session = claim.session, .name = name(claim.session, claim.request)};
      latest_[{claim.session, claim.request}] = *ticket;
    }
    settle();
    return ticket.has_value();
  }
  void end_recovery() {
    arbiter.end_recovery();
    settle();
  }

  [[nodiscard]] bool was_queued(SessionId session, RequestId request) const {
    return claims_.at(ticket(session, request)).queued;
  }

  bool release(SessionId session, RequestId request) {
    return release_token(session, token(session, request));
  }
  bool release_token(SessionId session, Token token) {
    const bool released = arbiter.release(session, token).has_value();
    settle();
    return released;
  }
  bool cancel(SessionId session, RequestId request) {
    const bool cancelled = arbiter.cancel(session, request);
    settle();
    return cancelled;
  }
  void disconnect(SessionId session) {
    for (auto& [ticket, claim] : claims_) {
      if (claim.session == session) claim.gone = true;
    }
    arbiter.disconnect(session);
    settle();
  }
  void stop_waiting(SessionId session) {
    arbiter.stop_waiting(session);
    settle();
  }
  void pass(std::chrono::nanoseconds time) {
    now.steady += std::chrono::duration_cast<Monotonic::duration>(time);
    settle();
  }
  void os_says(SessionId session, RequestId request, OsResult result, int os_error = 0) {
    os_says(ticket(session, request), result, os_error);
  }
  void os_says(Ticket ticket, OsResult result, int os_error = 0) {
    report(ticket, result, os_error);
    settle();
  }
  // Like os_says, but leaves the resulting events for later: for last_chance.
  void report(Ticket ticket, OsResult result, int os_error = 0) {
    EXPECT_EQ(attempts_.erase(ticket), 1U) << claims_[ticket].name << " is not being tried";
    arbiter.os_result(now, ticket, result, os_error);
  }

  Texts answers() { return std::exchange(answers_, {}); }
  Texts os_calls() { return std::exchange(os_calls_, {}); }

  // Of the latest claim with this session and request.
  [[nodiscard]] Ticket ticket(SessionId session, RequestId request) const {
    return latest_.at({session, request});
  }
  [[nodiscard]] Token token(SessionId session, RequestId request) const {
    return claims_.at(ticket(session, request)).token;
  }
  [[nodiscard]] static std::string name(SessionId session, RequestId request) {
    constexpr std::string_view kNames[] = {"nobody", "ann", "bob", "cal", "dan"};
    return fmt::format("{}.{}", kNames[session], request);
  }

  // Disconnects every session, and checks that nothing is left. The destructor does this too.
  void finish() {
    for (const SessionId session : {ann, bob, cal, dan}) disconnect(session);
    while (!attempts_.empty()) {
      os_says(*attempts_.begin(), OsResult::locked);
    }
    for (const auto& [ticket, claim] : claims_) {
      EXPECT_TRUE(claim.discarded) << claim.name << " was never discarded";
      EXPECT_TRUE(claim.answered || claim.gone) << claim.name << " was never answered";
    }
    EXPECT_EQ(arbiter.counts().locks, 0U);
    EXPECT_EQ(arbiter.counts().holders, 0U);
    EXPECT_EQ(arbiter.counts().waiters, 0U);
    EXPECT_FALSE(arbiter.next_deadline());
  }

 private:
  struct Known {
    SessionId session = 0;
    std::string name;
    Token token = 0;
    bool answered = false;
    bool queued = false;  // has been told that it must wait
    bool gone = false;    // its session disconnected
    bool discarded = false;
  };

  void settle() {
    constexpr int kEnough = 1000;
    for (int round = 0; round < kEnough; ++round) {
      while (const auto event = arbiter.next_event()) {
        std::visit([this](const auto& known) { on(known); }, *event);
      }
      const auto due = arbiter.due(now.steady);
      if (due.empty()) return;
      if (const auto chance = std::exchange(last_chance, {})) chance();
      arbiter.expire(due);
    }
    ADD_FAILURE() << "somebody is due for ever";
  }

  void on(const Granted& granted) {
    Known& claim = claims_.at(ticket(granted.session, granted.request));
    claim.token = granted.token;
    answer(claim, "granted");
  }
  void on(const Queued& queued) {
    Known& claim = claims_.at(ticket(queued.session, queued.request));
    EXPECT_FALSE(claim.answered || claim.queued) << claim.name << " is told too late, or again";
    claim.queued = true;
  }
  void on(const Refused& refused) {
    static constexpr std::string_view kWhy[] = {"timed out", "cancelled", "os failed", "lost"};
    std::string text = fmt::format("refused: {}", kWhy[static_cast<int>(refused.cause.why)]);
    if (refused.cause.os_error != 0) text += fmt::format(", {}", refused.cause.os_error);
    if (refused.cause.external) text += ", external";
    answer(claims_.at(refused.entry.ticket), text);
  }
  void on(const TryLock& call) {
    attempt("try", call.ticket);
    switch (kernel) {
      case Kernel::free:
        return report(call.ticket, OsResult::locked);
      case Kernel::external:
        return report(call.ticket, OsResult::busy);
      case Kernel::broken:
        return report(call.ticket, OsResult::failed, EIO);
      case Kernel::slow:
        break;
    }
  }
  void on(const LookAgain& call) {
    attempt("look", call.ticket);
    if (kernel != Kernel::slow) report(call.ticket, let_go ? OsResult::locked : OsResult::busy);
  }
  void on(const AwaitLock& call) { attempt("await", call.ticket); }
  void on(const CheckLock& call) {
    attempt("check", call.ticket);
    if (kernel != Kernel::slow) {
      report(call.ticket, still_locked ? OsResult::locked : OsResult::busy);
    }
  }
  void on(const Unlock& call) { os_call("unlock", call.ticket); }
  // The attempt may have ended before this was carried out.
  void on(const Abandon& call) { os_call("abandon", call.ticket); }
  void on(const Discard& call) {
    EXPECT_FALSE(attempts_.contains(call.ticket)) << "discarded during its attempt";
    os_call("discard", call.ticket);
    claims_.at(call.ticket).discarded = true;
  }

  void answer(Known& claim, std::string_view text) {
    EXPECT_FALSE(claim.answered) << claim.name << " was answered twice, at last: " << text;
    EXPECT_FALSE(claim.gone) << claim.name << " was answered after it had gone: " << text;
    claim.answered = true;
    answers_.push_back(fmt::format("{} {}", claim.name, text));
  }
  void attempt(std::string_view verb, Ticket ticket) {
    EXPECT_TRUE(attempts_.insert(ticket).second) << "tried twice";
    os_call(verb, ticket);
  }
  void os_call(std::string_view verb, Ticket ticket) {
    const Known& claim = claims_.at(ticket);
    EXPECT_FALSE(claim.discarded) << claim.name << " was discarded before: " << verb;
    os_calls_.push_back(fmt::format("{} {}", verb, claim.name));
  }

  std::map<Ticket, Known> claims_;
  std::map<std::pair<SessionId, RequestId>, Ticket> latest_;
  std::set<Ticket> attempts_;
  Texts answers_;
  Texts os_calls_;
};

}  // namespace locketd::test
