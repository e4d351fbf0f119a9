// What a process has used so far, in all its threads: /proc/PID/task.

#pragma once

#include <sys/types.h>

#include <vector>

namespace locket::bench {

struct Usage {
  double cpu_us = 0;
  double switches = 0;  // context switches, voluntary or not

  Usage& operator+=(const Usage& other);
  Usage& operator-=(const Usage& other);
};

Usage usage_of(const std::vector<pid_t>& processes);

}  // namespace locket::bench
