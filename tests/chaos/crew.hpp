// All the processes that contend: started, struck by faults at random moments, started again.
//
// Owned by the supervisor for the whole run. tick() does what is due, and never waits. Members are
// ordered by kind: first those that use liblocket, then locketctl run, then flock(1).

#pragma once

#include <array>
#include <string>
#include <vector>

#include "tests/chaos/arena.hpp"
#include "tests/chaos/contender.hpp"
#include "tests/chaos/dice.hpp"
#include "tests/chaos/process.hpp"

namespace locket::chaos {

struct CrewPlan {
  std::string self;       // this program
  std::string locketctl;  // its path
  std::string folder;     // of the lock files
  int log = -1;           // for the commands' output
  unsigned workers = 0;   // processes that use liblocket
  unsigned commands = 0;  // of locketctl run; and as many of flock(1)
  unsigned files = 0;
};

// What a process was doing when it was killed.
enum class Doing : std::uint8_t { starting, idle, asking, waiting, holding, releasing };
inline constexpr std::array kDoingNames{"starting", "between locks", "asking",
                                        "waiting",  "holding",       "releasing"};

struct CrewCounts {
  std::uint64_t started = 0;
  std::array<std::uint64_t, kDoingNames.size()> killed{};
  std::uint64_t vanished = 0;  // ended without a release
  std::uint64_t stopped = 0;

  [[nodiscard]] std::uint64_t kills() const;
};

class Crew {
 public:
  Crew(const Arena& arena, CrewPlan plan, Dice dice);

  void expose(bool exposed) { exposed_ = exposed; }
  void tick();
  // False if it is not one of the crew.
  bool reap(const Death& death);

  // Lets all stopped members go on.
  void resume_all();
  [[nodiscard]] bool gone() const;
  [[nodiscard]] const CrewCounts& counts() const { return counts_; }

 private:
  struct Hand {
    Process process;
    Nanoseconds due = 0;  // when to start it or let it go on
    Nanoseconds started = 0;
    Nanoseconds timeout = kForever;
    bool stopped = false;
    bool kill_after_stop = false;
  };

  void start(unsigned member);
  std::vector<std::string> words_of(unsigned member);
  std::vector<std::string> command_of(unsigned member);
  void strike();
  void strike_one(bool stop, bool then_kill);
  void kill(unsigned member);
  void resume(unsigned member);
  void judge(unsigned member, const Death& death);
  void judge_refusal(unsigned member);
  [[nodiscard]] Doing doing(unsigned member) const;
  void clear(unsigned member);

  const Arena& arena_;
  World& world_;
  CrewPlan plan_;
  LockFiles files_;
  Dice dice_;
  std::vector<Hand> hands_;
  bool exposed_ = false;
  Nanoseconds strike_at_ = 0;
  CrewCounts counts_;
};

}  // namespace locket::chaos
