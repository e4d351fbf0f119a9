// Looks at what may hang: a file system that does not answer, a daemon that is stopped.
//
// A process that waits for a file system can neither be ended nor waited for until that answers,
// so that all looking is done by another one, which is left behind when its time is over.

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
  std::function<void(const Tell&)> look;  // in the other process; what it changes stays there
  std::string advice;                     // where it does not end in time
};

// The steps in order, in one process, each for kStepTime at most. The first that does not end is a
// problem, and those after it are left out. Must be called while this process has one thread.
void examine(const std::vector<Step>& steps, const Tell& tell);

}  // namespace locketctl
