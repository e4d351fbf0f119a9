// flock(2) by the test itself: an external holder.

#pragma once

#include <sys/file.h>

#include <string>

#include "proto/descriptor.hpp"

namespace locket::test {

// Owned by the test; its destructor unlocks.
class KernelLock {
 public:
  explicit KernelLock(const std::string& path, int operation = LOCK_EX);

  [[nodiscard]] bool held() const { return held_; }
  void unlock();

 private:
  proto::Descriptor file_;
  bool held_;
};

// Whether a process that does not use the daemon could lock the file now.
bool kernel_admits(const std::string& path, int operation = LOCK_EX);

}  // namespace locket::test
