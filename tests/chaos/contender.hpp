// A thread that takes locks through liblocket, again and again.
//
// Owned by its process (roles.hpp); one thread only. Publishes all it does (participant.hpp), and
// judges the library's answers: timeouts, refusals without a reason, lost holds.

#pragma once

#include <locket/locket.hpp>
#include <string>
#include <vector>

#include "tests/chaos/arena.hpp"
#include "tests/chaos/dice.hpp"
#include "tests/chaos/participant.hpp"

namespace locket::chaos {

// The lock files' names, of which each file has several (C1).
class LockFiles {
 public:
  static constexpr unsigned kNames = 3;
  explicit LockFiles(std::string folder) : folder_(std::move(folder)) {}

  // Creates file number `file`, with all its names.
  void make(unsigned file) const;
  [[nodiscard]] std::string path(unsigned file, unsigned name = 0) const;

 private:
  std::string folder_;
};

class Contender {
 public:
  // Whether its process may die or fork during an attempt.
  enum class Temper : std::uint8_t { reckless, peaceful };

  Contender(World& world, const LockFiles& files, unsigned member, unsigned thread, Temper temper,
            Dice dice);

  // From the request to the release or the refusal.
  void attempt();

 private:
  struct Wish {
    unsigned file = 0;
    bool shared = false;
    Nanoseconds timeout = kForever;
  };

  Wish make_wish();
  // What may happen to this process while it asks, and while it holds.
  void tempt_fate(const std::string& path);
  void tempt_fate_inside();
  // The code of the failure; LOCKET_OK: granted.
  locket_code acquire(locket::file_lock& lock, const Wish& wish, std::string& message);
  void hold(locket::file_lock& lock);
  void release(locket::file_lock& lock);
  void judge_failure(locket_code code, const std::string& message, const Wish& wish,
                     Nanoseconds began);
  void judge_timeout(const Wish& wish, Nanoseconds began);
  void sabotage(const Wish& wish);

  World& world_;
  const LockFiles& files_;
  unsigned member_;
  Temper temper_;
  Dice dice_;
  Participant participant_;
};

void sleep_for(Nanoseconds time);

}  // namespace locket::chaos
