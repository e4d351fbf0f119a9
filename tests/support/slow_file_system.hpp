// A mounted file system that hangs when the test says so: slow_fs.cpp.
//
// Owned by the test. Its destructor answers all that it holds back, and unmounts it. Construct it
// before the daemon's clients open anything on it, and destroy it after everything open on it has
// been closed.

#pragma once

#include <memory>
#include <string>

#include "tests/support/child.hpp"
#include "tests/support/temporary_folder.hpp"

namespace locket::test {

class SlowFileSystem {
 public:
  // Who manages the locks on it.
  enum class Locks { kernel, own };
  explicit SlowFileSystem(Locks locks = Locks::own);
  ~SlowFileSystem();
  SlowFileSystem(const SlowFileSystem&) = delete;
  SlowFileSystem& operator=(const SlowFileSystem&) = delete;

  // False if the system does not let us mount one.
  [[nodiscard]] bool mounted() const { return mounted_; }
  [[nodiscard]] const std::string& path() const { return folder_.path(); }
  [[nodiscard]] std::string operator/(const std::string& name) const { return folder_ / name; }

  // From now on, these operations hang: any of open, getattr, statfs, flock, flush, release.
  void stall(const std::string& operations) { process_->ask("stall " + operations); }
  // Lets all of them continue.
  void go() { process_->ask("go"); }
  // How many such operations hang now.
  [[nodiscard]] int held(const std::string& operation) const {
    return std::stoi(process_->ask("held " + operation));
  }

 private:
  TemporaryFolder folder_;
  std::unique_ptr<Child> process_;
  bool mounted_ = false;
};

}  // namespace locket::test
