// Checks what may hang: a file system that does not answer, a daemon that is stopped.
//
// A process that waits for a file system can be neither killed nor waited for until that answers,
// so another process does all the checking, and is left behind when its time is over.

#pragma once

#include <chrono>
#include <functional>
#include <string>
#include <vector>

#include "client/ctl/doctor/finding.hpp"

namespace locketctl {

inline constexpr std::chrono::seconds kStepTime{5};

struct Step {
  std::string check;
  std::function<void(const Tell&)> look;  // in the other process; its changes stay there
  std::string advice;                     // for when it does not end in time
};

// Runs the steps in order, in one process, each for at most kStepTime. The first that does not end
// is reported as a problem, and those after it are skipped. Must be called while this process has
// one thread.
void examine(const std::vector<Step>& steps, const Tell& tell);

}  // namespace locketctl
