#include "tests/support/kernel_lock.hpp"

#include <fcntl.h>

namespace locket::test {

KernelLock::KernelLock(const std::string& path, int operation)
    : file_(::open(path.c_str(), O_RDONLY | O_CLOEXEC)),
      held_(::flock(file_.get(), operation | LOCK_NB) == 0) {}

void KernelLock::unlock() {
  ::flock(file_.get(), LOCK_UN);
  held_ = false;
}

bool kernel_admits(const std::string& path, int operation) {
  return KernelLock(path, operation).held();
}

}  // namespace locket::test
