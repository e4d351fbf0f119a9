// A process with locks, and the daemons that come and go meanwhile.

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

  // Acquires in a separate thread.
  static Granted acquiring(Lock& lock, std::optional<proto::Seconds> timeout = std::nullopt,
                           proto::Mode mode = proto::Mode::exclusive) {
    return std::async(std::launch::async,
                      [&lock, timeout, mode] { return lock.acquire(mode, timeout); });
  }

  // Acquires; the test plays the daemon, and grants `token`.
  void acquire(Lock& lock, proto::Token token) {
    auto granted = acquiring(lock);
    if (!std::exchange(welcomed, true)) daemon.welcome();
    daemon.grant(daemon.next(), token);
    EXPECT_EQ(granted.get(), token);
  }

  // A successor of the daemon accepts the client.
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
