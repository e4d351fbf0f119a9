// A process or thread that locks, as the others see it: publishes what it does, and judges what it
// finds.
//
// Role: the thread or process calls ask() before it asks for a lock, enter() when it believes it
// holds it, leave() before it unlocks, finish() at the end of the attempt. Owned by that thread;
// two processes may take turns on one slot, as the supervisor and a command it starts do.
//
// What is judged:
//  1. Exclusion. Each sets its mark and then looks for others' marks, so of two that overlap at
//     least one sees the other. A mark counts unless its owner is about to die.
//  2. Order. A participant that the daemon's list shows as waiting before another one asks must not
//     be overtaken by it. See excuse_of for the exceptions.
//  3. Tokens. Each exclusive token is above all earlier ones on that file.
//  4. A try at a lock that surely no one held or wanted succeeds.

#pragma once

#include <optional>
#include <string>
#include <vector>

#include "tests/chaos/arena.hpp"

namespace locket::chaos {

class Participant {
 public:
  Participant(World& world, unsigned member, unsigned thread);

  void ask(unsigned file, bool shared, Nanoseconds deadline);

  // Continues an attempt that another process began in this slot.
  void resume();

  // What to give the daemon as the reason, so that its list identifies the attempt: find_reason.
  [[nodiscard]] std::string reason() const;

  void enter(std::uint64_t token);
  void look_around();
  void leave();
  void finish();

  // Marks it as seen in the daemon's list, so that it has a place in the order.
  void note_seen() { slot_.seen = claim_.word(); }

  // Judges whether the refusal of a try was right.
  void refused_at_once();

  [[nodiscard]] const Slot& slot() const { return slot_; }
  [[nodiscard]] const Claim& claim() const { return claim_; }

  // Whether the daemon was there and untouched all the time since ask().
  [[nodiscard]] bool daemon_was_there() const;
  [[nodiscard]] bool was_seen_waiting() const { return slot_.seen == claim_.word(); }
  // Whether this process was stopped since ask().
  [[nodiscard]] bool was_stopped() const;
  // Whether the machine stood still since then, or shortly before.
  [[nodiscard]] bool machine_stood_still() const;

 private:
  struct Other {
    unsigned slot;
    std::uint64_t word;
  };

  [[nodiscard]] bool excludes(const Claim& other) const;
  [[nodiscard]] const Member& member_of(unsigned slot) const;
  [[nodiscard]] bool surely_free() const;
  void note_who_waits();
  void check_order();
  void check_token(std::uint64_t token);
  [[nodiscard]] std::optional<Excuse> excuse_of(const Other& other) const;
  [[nodiscard]] std::string name_of(unsigned slot) const;

  World& world_;
  unsigned index_;
  Slot& slot_;
  Claim claim_;
  std::vector<Other> before_us_;
  std::uint64_t begun_ = 0;
  bool was_free_ = false;
};

// The slot and attempt that a reason names; false if it is not one of ours.
bool find_reason(const std::string& reason, unsigned& slot, std::uint64_t& attempt);

}  // namespace locket::chaos
