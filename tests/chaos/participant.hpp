// One who locks, as the others see it: publishes what it does, and judges what it finds.
//
// Role: a thread or process calls ask() before it asks for a lock, enter() when it believes that it
// holds it, leave() before it unlocks, finish() at the end of the attempt. Owned by that thread;
// two processes may take turns on one slot, as the supervisor and a command that it starts do.
//
// What is judged:
//  1. Exclusion. Each sets its mark and then looks for others' marks, so of two that overlap one
//     at least sees the other. A mark counts unless its owner is about to die.
//  2. Order. Whoever is seen in the daemon's list to wait, before somebody else asks, must not be
//     overtaken by him. See check_order for who is excused.
//  3. Tokens. Each exclusive one is above all before it on that file.
//  4. A try at a lock that surely nobody had, or wanted, succeeds.

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

  // Goes on with what another process asked for in this slot.
  void resume();

  // What to tell the daemon as the reason, so that its list tells the attempt: find_reason.
  [[nodiscard]] std::string reason() const;

  void enter(std::uint64_t token);
  void look_around();
  void leave();
  void finish();

  // As the daemon's list would show it: to have its place in the order.
  void note_seen() { slot_.seen = claim_.word(); }

  // The refusal of a try: was it right?
  void refused_at_once();

  [[nodiscard]] const Slot& slot() const { return slot_; }
  [[nodiscard]] const Claim& claim() const { return claim_; }

  // Whether the daemon was there, and untouched, all the time since ask().
  [[nodiscard]] bool daemon_was_there() const;
  [[nodiscard]] bool was_seen_waiting() const { return slot_.seen == claim_.word(); }
  // Whether this process was stopped since ask().
  [[nodiscard]] bool was_stopped() const;
  // Whether the machine kept everybody waiting since then, or nearly so.
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

// The slot and attempt that a reason names; false where it is none of ours.
bool find_reason(const std::string& reason, unsigned& slot, std::uint64_t& attempt);

}  // namespace locket::chaos
