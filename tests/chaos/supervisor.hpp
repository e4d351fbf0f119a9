// One run, from the first process to the last.
//
// Role: starts daemon and crew, exposes them to faults, passes on who died, then lets everything
// come to an end and checks what is left. One thread, which waits only in start() and the
// aftermath. All that it started dies with it.

#pragma once

#include <cstddef>

#include "proto/descriptor.hpp"
#include "tests/chaos/arena.hpp"
#include "tests/chaos/crew.hpp"
#include "tests/chaos/daemon.hpp"
#include "tests/chaos/options.hpp"
#include "tests/support/temporary_folder.hpp"

namespace locket::chaos {

class Supervisor {
 public:
  explicit Supervisor(const Options& options);

  // Returns the exit status.
  int run();

 private:
  void be_in_charge();
  void prepare_files();
  void storm();
  void come_to_rest();
  void aftermath();
  void end_daemon();

  // One step of the run: waits for a short time or a death, and does what is due.
  void turn();
  void reap();
  void find_stuck();
  void tell_breaches();
  void tell_logs() const;
  void tell_progress();
  [[nodiscard]] bool storm_is_over() const;
  [[nodiscard]] bool orphans_rest() const;

  Options options_;
  test::TemporaryFolder folder_;
  Arena arena_;
  World& world_;
  proto::Descriptor signals_;
  proto::Descriptor daemon_log_;
  proto::Descriptor command_log_;
  Daemon daemon_;
  Crew crew_;
  Nanoseconds began_ = 0;
  Nanoseconds last_turn_ = 0;
  Nanoseconds next_search_ = 0;
  Nanoseconds next_progress_ = 0;
  std::size_t told_ = 0;
  bool interrupted_ = false;
};

}  // namespace locket::chaos
