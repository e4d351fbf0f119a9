// Bad input of every kind: its sender gets one clear error or loses the session, and no other
// client is affected (C15).

#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <string>

#include "tests/integration/lock_test.hpp"
#include "tests/support/process_facts.hpp"

namespace locket::test {

// A sanitizer holds on to freed memory for a long time, and needs more besides.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
inline constexpr std::size_t kMuchMemory = std::size_t{512} << 20;
#else
inline constexpr std::size_t kMuchMemory = std::size_t{48} << 20;
#endif

// Ann and Bob behave. They take turns before and after each test, and after it the daemon has no
// more descriptors open than before.
class BadInput : public LockTest {
 protected:
  void SetUp() override {
    take_turns();
    ASSERT_TRUE(eventually_alone(others_));
    before_ = descriptors();
    memory_before_ = resident_bytes(daemon.pid());
  }

  void TearDown() override {
    take_turns();
    EXPECT_TRUE(eventually([&] { return descriptors().size() <= before_.size(); }))
        << "left open: " << ::testing::PrintToString(descriptors())
        << "\nbefore: " << ::testing::PrintToString(before_);
    EXPECT_TRUE(eventually_alone(others_));
    EXPECT_TRUE(ann.list().empty());
  }

  void take_turns() {
    const Token held = ann.lock(path);
    const Id waiting = bob.acquire(path);
    EXPECT_TRUE(bob.waits(waiting));
    ann.release(held);
    bob.release(bob.granted(waiting));
  }

  [[nodiscard]] RawClient stranger() const { return RawClient(daemon.socket()); }

  [[nodiscard]] std::size_t memory_grown() const {
    const std::size_t now = resident_bytes(daemon.pid());
    return now > memory_before_ ? now - memory_before_ : 0;
  }

  // The daemon sends this last, and then hangs up.
  static void expect_end(RawClient& client, const std::string& name) {
    const auto line = client.next();
    ASSERT_TRUE(line) << "ended without a word";
    EXPECT_EQ(line->at("id"), nullptr);
    EXPECT_EQ(name_of(line->at("error")), name);
    EXPECT_TRUE(client.is_ended_by_daemon());
  }

  std::vector<std::string> descriptors() const { return open_descriptors(daemon.pid()); }

  std::size_t others_ = 0;  // sessions that exist before and after the test

 private:
  std::vector<std::string> before_;
  std::size_t memory_before_ = 0;
};

}  // namespace locket::test
