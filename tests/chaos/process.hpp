// A process that the supervisor starts and may kill: through its pidfd, so never another process.
//
// Owned by the crew or the daemon's keeper. The supervisor reaps it (supervisor.cpp) and tells the
// owner, which then drops it.

#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

#include "proto/descriptor.hpp"

namespace locket::chaos {

class Process {
 public:
  Process() = default;

  // Standard input and output are /dev/null, standard error is `errors`. It dies with this process.
  static Process start(const std::vector<std::string>& words, int errors);

  [[nodiscard]] pid_t pid() const { return pid_; }
  explicit operator bool() const { return pid_ > 0; }
  void signal(int number) const;

 private:
  pid_t pid_ = 0;
  proto::Descriptor pidfd_;
};

struct Death {
  pid_t pid = 0;
  int status = 0;  // as of wait(2)
};

// How it ended, in words.
std::string describe(const Death& death);

bool was_killed(const Death& death);
bool ended_well(const Death& death);

}  // namespace locket::chaos
