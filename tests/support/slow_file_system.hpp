// A mounted file system that hangs when the test says so: slow_fs.cpp.
//
// Owned by the test, whose end answers all that it holds back and unmounts it. Made before the
// daemon's clients open anything on it, and destroyed after what is open on it has been closed.

#pragma once

#include <memory>
#include <string>

#include "tests/support/child.hpp"
#include "tests/support/temporary_folder.hpp"

namespace locket::test {

class SlowFileSystem {
 public:
  // Who knows of the locks on it.
  enum class Locks { kernel, own };
  explicit SlowFileSystem(Locks locks = Locks::own);
  ~SlowFileSystem();
  SlowFileSystem(const SlowFileSystem&) = delete;
  SlowFileSystem& operator=(const SlowFileSystem&) = delete;

  // False where the system does not let us mount one.
  [[nodiscard]] bool mounted() const { return mounted_; }
  [[nodiscard]] const std::string& path() const { return folder_.path(); }
  [[nodiscard]] std::string operator/(const std::string& name) const { return folder_ / name; }

  // From now on, these hang: any of open, getattr, statfs, flock, flush, release.
  void stall(const std::string& operations) { process_->ask("stall " + operations); }
  // All go on.
  void go() { process_->ask("go"); }
  // How many of those hang now.
  [[nodiscard]] int held(const std::string& operation) const {
    return std::stoi(process_->ask("held " + operation));
  }

 private:
  TemporaryFolder folder_;
  std::unique_ptr<Child> process_;
  bool mounted_ = false;
};

}  // namespace locket::test
