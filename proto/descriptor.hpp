// A descriptor of the operating system, closed by its owner.
//
// Owned by whoever holds the object; moves, never copies. Not thread-safe, as any plain value.

#pragma once

#include <utility>
#include <vector>

namespace locket::proto {

class Descriptor {
 public:
  Descriptor() = default;
  explicit Descriptor(int fd) : fd_(fd) {}
  Descriptor(Descriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    if (this != &other) reset(std::exchange(other.fd_, -1));
    return *this;
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  ~Descriptor() { reset(); }

  [[nodiscard]] int get() const { return fd_; }
  explicit operator bool() const { return fd_ >= 0; }
  [[nodiscard]] int release() { return std::exchange(fd_, -1); }
  void reset(int fd = -1);

 private:
  int fd_ = -1;
};

// The same open file with a number above those of the standard streams. If a program runs with one
// of them closed, what it prints must not go into a lock file (C12) or to the daemon. None, with
// errno set, if the process has no descriptor left.
[[nodiscard]] Descriptor above_standard_streams(Descriptor descriptor);

// In the order in which they came. They are few, or soon taken.
using Descriptors = std::vector<Descriptor>;

}  // namespace locket::proto
