// The fixture for tests of slow files: other clients that must not be affected, and a daemon that
// must have nothing left open afterwards.

#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <string>

#include "tests/integration/lock_test.hpp"
#include "tests/support/process_facts.hpp"
#include "tests/support/slow_file_system.hpp"

namespace locket::test {

// daemon/slow_files.hpp, daemon/external_waits.hpp
inline constexpr std::size_t kSlowThreadsOfUser = 4;
inline constexpr std::size_t kWaitThreadsOfUser = 16;
// A delay would last as long as a stall, which only the test ends.
inline constexpr double kMuch = 5;

class SlowFiles : public LockTest {
 protected:
  void SetUp() override {
    ann.release(ann.lock(path));
    ASSERT_TRUE(eventually_alone());
    descriptors_before_ = open_descriptors(daemon.pid()).size();
    threads_before_ = threads();
  }

  void TearDown() override {
    if (IsSkipped()) return;
    EXPECT_TRUE(eventually([&] {
      return open_descriptors(daemon.pid()).size() <= descriptors_before_;
    })) << ::testing::PrintToString(open_descriptors(daemon.pid()));
    EXPECT_TRUE(eventually([&] { return threads() <= threads_before_; }));
    expect_service();
  }

  [[nodiscard]] std::size_t threads() const { return threads_of(daemon.pid()).size(); }
  [[nodiscard]] std::size_t threads_started() const { return threads() - threads_before_; }

  // Others lock, list and query as usual; returns the slowest answer's time.
  double expect_service() {
    double worst = 0;
    for (int i = 0; i < 50; ++i) {
      const auto begin = Clock::now();
      const Token token = bob.lock(path);
      worst = std::max(worst, seconds_since(begin));
      bob.release(token);
    }
    const auto begin = Clock::now();
    EXPECT_TRUE(cal.call("status").is_object());
    cal.list();
    RawClient new_one(daemon.socket());
    worst = std::max(worst, seconds_since(begin));
    EXPECT_LT(worst, kMuch);
    return worst;
  }

  // Acquires on this session with a passed file; the test closes its copy when nothing hangs.
  Id pass(RawClient& client, const std::string& name, Json params = Json::object()) {
    files_.push_back(open_file(name));
    params["path"] = name;
    return client.start("acquire", std::move(params), {files_.back().get()});
  }

  // A test that runs as root can connect as another user: SO_PEERCRED reports who connected.
  [[nodiscard]] RawClient client_of_nobody() const {
    EXPECT_EQ(::seteuid(kNobody), 0);
    RawClient client(daemon.socket());
    EXPECT_EQ(::seteuid(0), 0);
    return client;
  }

  proto::Descriptors files_;

 private:
  std::size_t descriptors_before_ = 0;
  std::size_t threads_before_ = 0;
};

#define SKIP_UNLESS_MOUNTED(file_system)                                                           \
  if (!(file_system).mounted())                                                                    \
  GTEST_SKIP() << "no FUSE file system can be mounted here: it takes libfuse3-dev at build time, " \
                  "/dev/fuse, and the right to mount"

}  // namespace locket::test
