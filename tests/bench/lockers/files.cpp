// Locks on files: with the daemon, with the bare system calls it needs, and with flock(2) alone.

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <locket/locket.hpp>
#include <system_error>

#include "tests/bench/floor.h"
#include "tests/bench/locker.hpp"

namespace locket::bench {
namespace {

[[noreturn]] void fail(const char* what) {
  throw std::system_error(errno, std::generic_category(), what);
}

class Locket : public Locker {
 public:
  explicit Locket(const std::string& path) : lock_(path) {}
  void acquire() override { lock_.acquire(); }
  void release() override { lock_.release(); }

 private:
  file_lock lock_;
};

class Floor : public Locker {
 public:
  Floor(const std::string& socket, std::string path)
      : path_(std::move(path)), socket_(floor_connect(socket.c_str())) {
    if (socket_ < 0) fail("floor_connect");
  }
  ~Floor() override { ::close(socket_); }

  void acquire() override {
    file_ = floor_acquire(socket_, path_.c_str());
    if (file_ < 0) fail("floor_acquire");
  }
  void release() override {
    if (floor_release(socket_, file_) < 0) fail("floor_release");
  }

 private:
  std::string path_;
  int socket_;
  int file_ = -1;
};

// Without any daemon.
class Flock : public Locker {
 public:
  explicit Flock(std::string path) : path_(std::move(path)) {}

  void acquire() override {
    file_ = ::open(path_.c_str(), O_RDONLY | O_CREAT | O_CLOEXEC, 0666);
    if (file_ < 0 || ::flock(file_, LOCK_EX) != 0) fail("flock");
  }
  void release() override {
    ::flock(file_, LOCK_UN);
    ::close(file_);
  }

 private:
  std::string path_;
  int file_ = -1;
};

// A round trip over a Unix socket instead of a lock.
class Ping : public Locker {
 public:
  explicit Ping(const std::string& socket) : socket_(floor_connect(socket.c_str())) {
    if (socket_ < 0) fail("floor_connect");
  }
  ~Ping() override { ::close(socket_); }
  void acquire() override {
    if (floor_ping(socket_) < 0) fail("floor_ping");
  }
  void release() override {}

 private:
  int socket_;
};

}  // namespace

std::unique_ptr<Locker> make_locket(const std::string& server, const std::string& name) {
  ::setenv("LOCKET_SOCKET", server.c_str(), 1);
  return std::make_unique<Locket>(name);
}

std::unique_ptr<Locker> make_floor(const std::string& server, const std::string& name) {
  return std::make_unique<Floor>(server, name);
}

std::unique_ptr<Locker> make_flock(const std::string& /*server*/, const std::string& name) {
  return std::make_unique<Flock>(name);
}

std::unique_ptr<Locker> make_ping(const std::string& server, const std::string& /*name*/) {
  return std::make_unique<Ping>(server);
}

}  // namespace locket::bench
