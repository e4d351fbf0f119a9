// The daemon of a run: started, struck by faults at random moments, started again.
//
// Owned by the supervisor for the whole run. tick() does what is due, and never waits.

#pragma once

#include <optional>
#include <string>

#include "tests/chaos/arena.hpp"
#include "tests/chaos/dice.hpp"
#include "tests/chaos/observer.hpp"
#include "tests/chaos/process.hpp"

namespace locket::chaos {

struct DaemonCounts {
  std::uint64_t started = 0;
  std::uint64_t killed = 0;           // SIGKILL
  std::uint64_t killed_stopped = 0;   // of those: while stopped
  std::uint64_t killed_starting = 0;  // of those: before it answered
  std::uint64_t terminated = 0;       // SIGTERM
  std::uint64_t stopped = 0;          // SIGSTOP and SIGCONT
};

class Daemon {
 public:
  // `log`: a descriptor for its messages.
  Daemon(World& world, std::string program, std::string socket, int log, Dice dice);

  // Starts it the first time and waits until it answers. The descriptors and threads it has then
  // are those it must have at the end.
  void start();

  // Whether faults may strike it.
  void expose(bool exposed) { exposed_ = exposed; }

  void tick();
  // False if it is another process.
  bool reap(const Death& death);

  [[nodiscard]] bool answers() const { return state_ == State::up; }
  [[nodiscard]] bool ended() const { return state_ == State::down; }
  // Ends a daemon that answers with SIGTERM; there is no next life.
  void end();

  [[nodiscard]] Observer& observer() { return observer_; }
  [[nodiscard]] const DaemonCounts& counts() const { return counts_; }
  [[nodiscard]] std::size_t descriptors() const;
  [[nodiscard]] std::size_t threads() const;
  [[nodiscard]] std::size_t first_descriptors() const { return first_descriptors_; }
  [[nodiscard]] std::size_t first_threads() const { return first_threads_; }

 private:
  enum class State : std::uint8_t { down, starting, up, stopped, ending };

  void launch();
  void strike();
  void touch();
  void stop(bool then_kill);
  void resume();
  void kill();
  void terminate();
  Nanoseconds next_life();
  Nanoseconds next_gap();

  World& world_;
  std::string program_;
  std::string socket_;
  int log_;
  Dice dice_;
  Observer observer_;
  Process process_;
  State state_ = State::down;
  bool exposed_ = false;
  bool over_ = false;
  bool kill_after_stop_ = false;
  bool may_be_killed_ = false;  // otherwise it must end well
  Nanoseconds due_ = 0;         // when to start it or let it go on
  Nanoseconds strike_at_ = 0;
  Nanoseconds look_at_ = 0;
  Nanoseconds impatient_at_ = 0;
  DaemonCounts counts_;
  std::size_t first_descriptors_ = 0;
  std::size_t first_threads_ = 0;
};

}  // namespace locket::chaos
