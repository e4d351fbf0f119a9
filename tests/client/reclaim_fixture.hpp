// A process with locks, and the daemons that come and go while it has them.

#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <future>
#include <memory>
#include <string>
#include <utility>

#include "client/lock.hpp"
#include "tests/client/fake_daemon.hpp"
#include "tests/support/eventually.hpp"

namespace locket::client {

class ReclaimTest : public testing::Test {
 protected:
  using Granted = std::future<std::expected<proto::Token, proto::Failure>>;

  std::unique_ptr<Lock> make(const std::string& name) { return Lock::make(name, process).value(); }

  // Waits in a thread of its own.
  static Granted acquiring(Lock& lock, std::optional<proto::Seconds> timeout = std::nullopt,
                           proto::Mode mode = proto::Mode::exclusive) {
    return std::async(std::launch::async,
                      [&lock, timeout, mode] { return lock.acquire(mode, timeout); });
  }

  // Acquires, with the test as a daemon that grants `token`.
  void acquire(Lock& lock, proto::Token token) {
    auto granted = acquiring(lock);
    if (!std::exchange(welcomed, true)) daemon.welcome();
    daemon.grant(daemon.next(), token);
    EXPECT_EQ(granted.get(), token);
  }

  // A daemon's successor takes the client in.
  void succeed() {
    daemon.hang_up();
    daemon.welcome();
  }

  test::TemporaryFolder folder;
  std::string path = folder / "lock";
  test::FakeDaemon daemon;
  Process process{daemon.sockets()};
  bool welcomed = false;
};

}  // namespace locket::client
