// The arbiter and the plain model of its rules side by side: random operations are done on both,
// and the events must be the same, in the same order.
//
// Owned by a test. Invariants:
//  1. The same seed always gives the same operations.
//  2. It stops at the first difference, and reports the operations that led to it.

#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <random>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "daemon/arbiter.hpp"
#include "tests/unit/arbiter_model.hpp"
#include "tests/unit/arbiter_model_kernel.hpp"

namespace locketd::test {

class Comparison {
 public:
  // Half of the seeds begin after the death of a daemon.
  explicit Comparison(std::uint64_t seed) : random_(seed), recovering_(one_in(2)) {
    if (!recovering_) return;
    arbiter_.begin_recovery();
    model_.begin_recovery();
  }

  // What went wrong, with the end of the log; empty if nothing did.
  std::string play(std::uint64_t operations) {
    while (problem_.empty() && operations_ < operations) step();
    if (problem_.empty()) end();
    return problem_;
  }

  // How often each kind of event occurred.
  using Tally = std::array<std::uint64_t, std::variant_size_v<Event>>;
  [[nodiscard]] const Tally& tally() const { return tally_; }

 private:
  static constexpr std::uint64_t kSessions = 6;
  static constexpr std::uint64_t kRequests = 24;  // ids; few, so that duplicates occur
  static constexpr std::uint64_t kFiles = 4;
  static constexpr std::uint64_t kFormerTokens = 8;  // few, so that they occur twice
  static constexpr std::uint64_t kFormerTickets = 1'000'000;
  static constexpr std::size_t kCrowd = 80;     // entries; beyond these, sessions disconnect
  static constexpr std::uint64_t kMood = 1000;  // operations between quiet and crowded times
  static constexpr std::size_t kLogTail = 60;

  struct Attempt {
    bool awaiting = false;
    bool checking = false;
    bool looking = false;
    bool abandoned = false;
  };

  std::uint64_t below(std::uint64_t bound) { return random_() % bound; }
  bool one_in(std::uint64_t bound) { return below(bound) == 0; }

  // ---- Operations ----

  void step() {
    if (prompt_ && !attempts_.empty()) return answer();
    prompt_ = one_in(2);
    if (model_.entries().size() > kCrowd) return disconnect();
    if (one_in(kMood)) crowded_ = !crowded_;
    const auto dice = below(100);
    if (recovering_ && one_in(3)) return one_in(20) ? end_recovery() : reclaim();
    if (dice < 8) return reclaim();
    if (dice < (crowded_ ? 50 : 30)) return acquire();
    if (dice < 60) return answer();
    if (dice < 75) return release();
    if (dice < 80) return cancel();
    if (dice < 81) return disconnect();
    if (dice < 88) return external_holder();
    if (dice < 90) return let_go();
    pass_time();
  }

  Claim claim() {
    Claim claim{.session = below(kSessions),
                .request = below(kRequests),
                .file = file(below(kFiles)),
                .mode = one_in(2) ? Mode::exclusive : Mode::shared,
                .timeout = {},
                .path = {},
                .reason = {}};
    // Whole milliseconds, so that deadlines coincide.
    const std::chrono::milliseconds patience(1 + below(crowded_ ? 300 : 30));
    if (const auto kind = below(crowded_ ? 6 : 3); kind > 0)
      claim.timeout = kind > 1 ? patience : std::chrono::milliseconds::zero();
    return claim;
  }

  void acquire() {
    const Claim asked = claim();
    begin("acquire " + describe(asked));
    const auto ticket = arbiter_.acquire(now_, asked);
    if (ticket) claims_[*ticket] = asked;
    expect(ticket == model_.acquire(now_, asked), "duplicate or not");
    compare();
  }

  // With a former ticket, with none, with one still to come, or with one that another claim has.
  void reclaim() {
    const Claim asked = claim();
    Former former;
    former.age = std::chrono::milliseconds(below(30));
    if (one_in(2)) former.token = 1 + below(kFormerTokens);
    if (!one_in(4)) former.ticket = 1 + below(kFormerTickets);
    const auto clock = std::chrono::floor<std::chrono::microseconds>(now_.wall.time_since_epoch());
    if (one_in(20)) former.ticket = static_cast<Ticket>(clock.count()) + below(kFormerTickets);
    const auto& entries = model_.entries();
    if (!entries.empty() && one_in(10)) former.ticket = entries[below(entries.size())].ticket;
    begin(fmt::format("reclaim {} ticket {} token {}", describe(asked), former.ticket,
                      former.token.value_or(0)));
    const auto ticket = arbiter_.reclaim(now_, asked, former);
    if (ticket) claims_[*ticket] = asked;
    expect(ticket == model_.reclaim(now_, asked, former), "duplicate or not");
    compare();
  }

  void end_recovery() {
    recovering_ = false;
    begin("end recovery");
    arbiter_.end_recovery();
    model_.end_recovery();
    compare();
  }

  void release() {
    // Also with the tokens of claims that are not yet known to hold.
    auto held = model_.entries();
    std::erase_if(held, [](const Entry& entry) { return entry.token == 0; });
    if (held.empty()) return;
    const Entry& entry = held[below(held.size())];
    const SessionId session = one_in(16) ? below(kSessions) : entry.claim.session;
    const Token token = one_in(16) ? entry.token + 1 : entry.token;
    begin(fmt::format("release session {} token {}", session, token));
    expect(arbiter_.release(session, token).has_value() == model_.release(session, token),
           "held or not");
    compare();
  }

  void cancel() {
    const auto& entries = model_.entries();
    const bool known = !entries.empty() && !one_in(4);
    const Entry entry = known ? Entry(entries[below(entries.size())]) : Entry{};
    const SessionId session = known ? entry.claim.session : below(kSessions);
    const RequestId request = known ? entry.claim.request : below(kRequests);
    begin(fmt::format("cancel session {} request {}", session, request));
    expect(arbiter_.cancel(session, request) == model_.cancel(session, request), "known or not");
    compare();
  }

  void disconnect() {
    const SessionId session = below(kSessions);
    const bool detached = one_in(4);
    begin(fmt::format("{} session {}", detached ? "stop waiting" : "disconnect", session));
    detached ? arbiter_.stop_waiting(session) : arbiter_.disconnect(session);
    detached ? model_.stop_waiting(session) : model_.disconnect(session);
    compare();
  }

  // Answers one of the pending attempts as the kernel would.
  void answer() {
    if (attempts_.empty()) return;
    const auto chosen = std::next(attempts_.begin(), static_cast<long>(below(attempts_.size())));
    const auto [ticket, attempt] = *chosen;
    const Claim& claim = claims_[ticket];
    OsResult result = attempt.checking ? kernel_.still_held(claim) : kernel_.says(claim);
    if (attempt.checking && one_in(4)) result = OsResult::busy;
    // Now and then it ends in another way: by a failure, by our own signal, by a timer's check.
    if (attempt.abandoned && one_in(2)) result = OsResult::busy;
    if (one_in(30)) result = OsResult::failed;
    if (attempt.awaiting && !attempt.abandoned && result == OsResult::busy && !one_in(8)) {
      prompt_ = false;
      return;
    }
    attempts_.erase(chosen);
    begin(fmt::format("os_result {} {}", ticket, static_cast<int>(result)));
    if (result == OsResult::locked) kernel_.lock(ticket, claim);
    const int os_error = result == OsResult::failed ? EIO : 0;
    arbiter_.os_result(now_, ticket, result, os_error);
    model_.os_result(now_, ticket, result, os_error);
    compare();
  }

  // A process without the daemon locks a file, if the kernel permits, or unlocks it.
  void external_holder() {
    const FileId its = file(below(kFiles));
    const Mode mode = one_in(2) ? Mode::exclusive : Mode::shared;
    begin(fmt::format("external {} {}", its.inode, locket::proto::name_of(mode)));
    kernel_.external(its, mode);
  }

  // A holder's process unlocks its file; the daemon reads the release only later.
  void let_go() {
    auto held = model_.entries();
    std::erase_if(held, [](const Entry& entry) { return !entry.held; });
    if (held.empty()) return;
    const Ticket ticket = held[below(held.size())].ticket;
    begin(fmt::format("let go {}", ticket));
    kernel_.unlock(ticket);
  }

  // Time passes, and what is due expires; between the two, other operations may happen.
  void pass_time() {
    const auto time = std::chrono::milliseconds(below(10));
    now_.steady += time;
    now_.wall += time;
    if (one_in(50)) now_.wall += std::chrono::minutes(static_cast<int>(below(121)) - 60);
    const std::size_t most = one_in(2) ? SIZE_MAX : 2 + below(6);
    const auto due = arbiter_.due(now_.steady, most);
    begin(
        fmt::format("due at {}: {}", now_.steady.time_since_epoch().count(), fmt::join(due, " ")));
    const std::string objection = model_.objection_to(due, now_.steady, most);
    expect(objection.empty(), objection);
    compare();
    for (auto others = below(4); others > 0 && problem_.empty(); --others) {
      one_in(3) ? answer() : one_in(3) ? cancel() : one_in(8) ? reclaim() : release();
    }
    begin("expire");
    arbiter_.expire(due);
    model_.expire(now_.steady, due);
    compare();
  }

  // All sessions disconnect, and nothing may be left.
  void end() {
    for (SessionId session = 0; session < kSessions; ++session) {
      begin(fmt::format("disconnect session {}", session));
      arbiter_.disconnect(session);
      model_.disconnect(session);
      compare();
    }
    kernel_.no_externals();
    end_recovery();
    while (!attempts_.empty() && problem_.empty()) answer();
    expect(arbiter_.counts().locks == 0, "a lock is left");
    expect(claims_.empty(), "a ticket is left without Discard");
    expect(kernel_.idle(), "a kernel lock is left");
  }

  // ---- The kernel ----

  static FileId file(std::uint64_t number) { return {.device = 1, .inode = number}; }

  void carry_out(const Granted& event) {
    expect(kernel_.has(event.session, event.request), "granted without a kernel lock");
  }
  void carry_out(const Queued&) {}
  void carry_out(const Refused&) {}
  void carry_out(const TryLock& event) { begin_attempt(event.ticket, {}); }
  void carry_out(const LookAgain& event) { begin_attempt(event.ticket, {.looking = true}); }
  void carry_out(const AwaitLock& event) { begin_attempt(event.ticket, {.awaiting = true}); }
  void carry_out(const CheckLock& event) { begin_attempt(event.ticket, {.checking = true}); }
  void carry_out(const Abandon& event) { attempts_[event.ticket].abandoned = true; }
  void carry_out(const Unlock& event) {
    expect(kernel_.unlock(event.ticket), "unlocked what is not locked");
  }
  void carry_out(const Discard& event) {
    expect(claims_.erase(event.ticket) == 1, "discarded twice");
    expect(!attempts_.contains(event.ticket), "discarded during its attempt");
    kernel_.unlock(event.ticket);
  }
  void begin_attempt(Ticket ticket, Attempt attempt) {
    expect(attempts_.try_emplace(ticket, attempt).second, "tried twice");
    expect(attempt.checking || attempt.looking || !kernel_.ours_exclude(claims_[ticket]),
           "tried although one of ours holds it");
  }

  // ---- Comparing ----

  void begin(std::string operation) {
    ++operations_;
    log_.push_back(std::move(operation));
    while (log_.size() > kLogTail) log_.pop_front();
  }

  void expect(bool right, std::string_view wrong) {
    if (right || !problem_.empty()) return;
    problem_ = fmt::format("{}, after {} operations, the last of which are\n{}", wrong, operations_,
                           fmt::join(log_, "\n"));
  }

  void compare() {
    for (const Event& wanted : std::exchange(model_.events, {})) {
      const auto event = arbiter_.next_event();
      const std::string text = event ? describe(*event) : "nothing";
      log_.push_back("  " + text);
      if (text != describe(wanted)) return expect(false, "expected " + describe(wanted));
      ++tally_[event->index()];
      std::visit([this](const auto& known) { carry_out(known); }, *event);
    }
    if (const auto surplus = arbiter_.next_event()) {
      log_.push_back("  " + describe(*surplus));
      expect(false, "expected nothing");
    }
    compare_views();
  }

  void compare_views() {
    const auto& entries = model_.entries();
    const auto holders = std::ranges::count_if(entries, &Entry::held);
    const auto counts = arbiter_.counts();
    expect(counts.locks == model_.lock_count(), "counts().locks");
    expect(counts.holders == static_cast<std::size_t>(holders), "counts().holders");
    expect(counts.waiters == entries.size() - counts.holders, "counts().waiters");
    expect(counts.grants == model_.grants(), "counts().grants");
    expect(arbiter_.next_deadline() == model_.next_deadline(), "next_deadline()");
    if (!one_in(8)) return;
    expect(rows(1 + below(20)) == model_.rows(), "visit()");
    const SessionId session = below(kSessions);
    const auto its = std::ranges::count_if(
        entries, [&](const Entry& entry) { return entry.claim.session == session; });
    expect(arbiter_.claim_count(session) == static_cast<std::size_t>(its), "claim_count()");
    if (entries.empty()) return;
    const Entry& entry = entries[below(entries.size())];
    const auto holding = holders_of(entry.lock);
    const auto queue = std::ranges::count_if(
        entries, [&](const auto& other) { return other.lock == entry.lock && other.waits(); });
    expect(arbiter_.blockers(entry.ticket) == holding, "blockers()");
    expect(arbiter_.holder_count(entry.claim.file) == holding.size(), "holder_count()");
    expect(arbiter_.waiter_count(entry.claim.file) == static_cast<std::size_t>(queue),
           "waiter_count()");
  }

  // All of the arbiter's rows, read in pages of that size.
  Texts rows(std::size_t page) const {
    Texts rows;
    Cursor after;
    const std::size_t all = model_.entries().size();
    for (std::size_t before = 1; before != rows.size() && rows.size() <= all;) {
      before = rows.size();
      arbiter_.visit(after, [&](const Entry& entry, bool external) {
        rows.push_back(describe(entry) + (external ? " external" : ""));
        after = {.lock = entry.lock, .ticket = entry.ticket, .waiting = !entry.held};
        return rows.size() < before + page;
      });
    }
    return rows;
  }

  [[nodiscard]] std::vector<SessionId> holders_of(LockId lock) const {
    std::map<Ticket, SessionId> by_ticket;
    for (const Entry& entry : model_.entries()) {
      if (entry.lock == lock && entry.held) by_ticket[entry.ticket] = entry.claim.session;
    }
    std::vector<SessionId> sessions;
    for (const auto& [ticket, session] : by_ticket) sessions.push_back(session);
    return sessions;
  }

  std::mt19937_64 random_;
  bool recovering_;
  Instant now_{.steady = Monotonic(std::chrono::hours(1)),
               .wall = std::chrono::sys_days(std::chrono::year(2025) / 1 / 1)};
  Arbiter arbiter_;
  ArbiterModel model_;
  std::map<Ticket, Claim> claims_;      // until their Discard
  std::map<Ticket, Attempt> attempts_;  // those not answered yet
  ModelKernel kernel_;
  bool crowded_ = false;  // many requests, with long waits
  bool prompt_ = false;   // the kernel answers before anything else happens
  std::uint64_t operations_ = 0;
  Tally tally_{};
  std::deque<std::string> log_;
  std::string problem_;
};

}  // namespace locketd::test
