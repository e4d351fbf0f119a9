// The arbiter in a small world of which everything is known: three sessions, one file or two, the
// kernel, a clock with one tick. options() lists all that can happen next; take() lets it happen
// and checks what must hold in every state:
//
//  1. No claim holds a lock together with one that it excludes, nor without the kernel's lock.
//  2. Only the first waiter is tried, only if its mode is compatible with the holders', and one
//     attempt at a time.
//  3. No lost wake-up: if the first waiter could be tried, it is being tried.
//  4. No claim is granted before one that arrived earlier. Claims that come back after the death of
//     a daemon are waited for, and get their places again.
//  5. Every claim is answered once. A claim that does not wait is due as soon as another is in its
//     way, and is not refused because of a holder before the kernel has been asked once more.
//  6. A ticket is discarded once, when the kernel has no call in progress for it.
//
// finish() checks that it can end: with all attempts answered and all locks released, nothing is
// left.

#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "daemon/arbiter.hpp"

namespace locketd::test {

class ExploredArbiter {
 public:
  static constexpr std::uint8_t kSessions = 3;
  static constexpr std::uint8_t kFiles = 2;

  struct Step {
    enum class Kind : std::uint8_t {
      acquire,
      come_back_holding,
      come_back_waiting,
      let_go,  // by its process; the release comes later
      release,
      cancel,
      disconnect,
      stop_waiting,
      answer,
      external,  // comes or goes
      tick,      // all pending timeouts are over
      expire,
      end_recovery,
    };
    Kind kind;
    std::uint8_t session = 0;
    std::uint8_t file = 0;
    std::uint8_t detail = 0;  // mode and timeout, or the attempt and its result
  };

  struct Scene {
    std::uint8_t files = kFiles;
    bool recovering = false;  // there was a daemon before
  };
  explicit ExploredArbiter(Scene scene) : files_(scene.files), recovering_(scene.recovering) {
    if (recovering_) arbiter_.begin_recovery();
  }

  [[nodiscard]] std::vector<Step> options() const {
    std::vector<Step> steps;
    using enum Step::Kind;
    for (std::uint8_t session = 1; session <= kSessions; ++session) {
      bool any = false;
      bool waits = false;
      for (std::uint8_t file = 0; file < files_; ++file) {
        const Known* claim = claim_of(session, file);
        if (claim == nullptr) {
          for (std::uint8_t detail = 0; detail < 6; ++detail)
            steps.push_back({acquire, session, file, detail});
          for (std::uint8_t mode = 0; mode < 2; ++mode)
            steps.push_back({come_back_holding, session, file, mode});
          for (std::uint8_t detail = 0; detail < 4; ++detail)
            steps.push_back({come_back_waiting, session, file, detail});
          continue;
        }
        any = true;
        waits |= claim->state != State::holds;
        steps.push_back({cancel, session, file});
        if (claim->state == State::holds) steps.push_back({release, session, file});
        if (claim->state == State::holds && claim->locked) steps.push_back({let_go, session, file});
      }
      if (!any) break;  // the other idle sessions are equivalent
      steps.push_back({disconnect, session});
      if (waits) steps.push_back({stop_waiting, session});
    }
    add_kernel_options(steps);
    const bool timed = std::ranges::any_of(
        known_, [](const auto& entry) { return entry.second.is_timed() && !entry.second.late; });
    if (timed) steps.push_back({tick});
    if (!due_.empty()) steps.push_back({expire});
    if (recovering_) steps.push_back({end_recovery});
    return steps;
  }

  void take(const Step& step) {
    perform(step);
    carry_out_events();
    check();
  }

  // The first thing that went wrong; empty if nothing did.
  [[nodiscard]] const std::string& problem() const { return problem_; }

  // The same text for states that differ only in names.
  [[nodiscard]] std::string state() const {
    std::array<std::uint8_t, kSessions> names{1, 2, 3};
    std::string least;
    do {
      for (const bool swapped : {false, true}) {
        std::string text = state_named(names, swapped);
        if (least.empty() || text < least) least = std::move(text);
      }
    } while (std::ranges::next_permutation(names).found);
    return least;
  }

  void finish() {
    external_ = {};
    recovering_ = false;
    arbiter_.end_recovery();
    carry_out_events();
    constexpr int kEnough = 50;
    for (int round = 0; round < kEnough && !known_.empty(); ++round) finish_some();
    expect(known_.empty(), "somebody waits for ever, or is never discarded");
    const auto counts = arbiter_.counts();
    expect(counts.locks + counts.holders + counts.waiters == 0, "something is left");
    expect(!arbiter_.next_deadline(), "a deadline is left");
  }

 private:
  enum class State : std::uint8_t { waits, returns, holds, left };
  enum class Attempt : std::uint8_t { none, trying, awaiting, checking };
  enum class Patience : std::uint8_t { endless, none, finite };
  using Result = OsResult;

  // A ticket, until its Discard.
  struct Known {
    std::uint8_t session = 0;
    std::uint8_t file = 0;
    Mode mode = Mode::exclusive;
    Patience patience = Patience::endless;
    State state = State::waits;
    Attempt attempt = Attempt::none;
    bool abandoned = false;
    bool locked = false;
    bool late = false;
    bool told = false;
    bool looking = false;   // the attempt is LookAgain
    bool looked = false;    // such an attempt has begun since it was due
    bool last_try = false;  // its deadline came while former claims were waited for
    Token token = 0;

    [[nodiscard]] bool is_timed() const {
      return patience == Patience::finite && state == State::waits;
    }
  };
  using Entry = std::pair<const Ticket, Known>;

  static constexpr std::chrono::milliseconds kTick{10};
  static constexpr Ticket kOldest = 1'000;  // tickets of former daemons are smaller

  static FileId id_of(std::uint8_t file) { return {.device = 1, .inode = file + 1U}; }
  static bool conflict(Mode a, Mode b) { return a == Mode::exclusive || b == Mode::exclusive; }

  const Known* claim_of(std::uint8_t session, std::uint8_t file) const {
    for (const auto& [ticket, known] : known_) {
      if (known.session == session && known.file == file && known.state != State::left)
        return &known;
    }
    return nullptr;
  }
  Entry* entry_of(SessionId session, RequestId file) {
    for (Entry& entry : known_) {
      const Known& known = entry.second;
      if (known.session == session && known.file == file && known.state != State::left)
        return &entry;
    }
    return nullptr;
  }

  // ---- What happens ----

  void perform(const Step& step);
  void come(const Step& step);
  void leave(std::uint8_t session, auto&& which) {
    for (auto& [ticket, known] : known_) {
      if (known.session == session && which(known)) known.state = State::left;
    }
  }
  void expire();
  void finish_some();

  // ---- The kernel ----

  [[nodiscard]] bool ours_exclude(const Entry& entry) const {
    return std::ranges::any_of(known_, [&](const Entry& other) {
      return other.first != entry.first && other.second.locked &&
             other.second.file == entry.second.file &&
             conflict(other.second.mode, entry.second.mode);
    });
  }
  [[nodiscard]] bool is_free_for(const Entry& entry) const {
    return !external_[entry.second.file] && !ours_exclude(entry);
  }
  [[nodiscard]] std::vector<Result> results(const Entry& entry) const;
  void add_kernel_options(std::vector<Step>& steps) const;
  void answer(Ticket ticket, Result result);

  // ---- Checks ----

  void carry_out_events();
  void on(const Granted& event);
  void on(const Queued& event);
  void on(const Refused& event);
  void on(const TryLock& event) { begin(event.ticket, Attempt::trying); }
  void on(const LookAgain& event);
  void on(const AwaitLock& event) { begin(event.ticket, Attempt::awaiting); }
  void on(const CheckLock& event) { begin(event.ticket, Attempt::checking); }
  void on(const Abandon& event);
  void on(const Unlock& event);
  void on(const Discard& event);
  void begin(Ticket ticket, Attempt attempt);
  void check();
  void check_file(std::uint8_t file);

  void expect(bool right, std::string_view wrong) {
    if (!right && problem_.empty()) problem_ = wrong;
  }

  [[nodiscard]] std::string state_named(const std::array<std::uint8_t, kSessions>& names,
                                        bool swapped) const;

  const std::uint8_t files_;
  Arbiter arbiter_;
  Instant now_{.steady = Monotonic(std::chrono::hours(1)),
               .wall = std::chrono::sys_days(std::chrono::year(2025) / 6 / 1)};
  std::map<Ticket, Known> known_;
  std::set<Ticket> due_;                      // named by due(), not yet by expire()
  std::set<Ticket> expiring_;                 // named by the current expire()
  std::array<bool, kFiles> external_{};       // a process without the daemon has it
  std::array<bool, kFiles> seen_external_{};  // and the arbiter knows
  bool recovering_ = false;
  std::string problem_;
};

}  // namespace locketd::test
