// flock(2) by the test itself: a holder whom the daemon does not know.

#pragma once

#include <sys/file.h>

#include <string>

#include "proto/descriptor.hpp"

namespace locket::test {

// Owned by the test; its end unlocks.
class KernelLock {
 public:
  explicit KernelLock(const std::string& path, int operation = LOCK_EX);

  [[nodiscard]] bool held() const { return held_; }
  void unlock();

 private:
  proto::Descriptor file_;
  bool held_;
};

// Whether the kernel would let somebody in now who does not use the daemon.
bool kernel_admits(const std::string& path, int operation = LOCK_EX);

}  // namespace locket::test
