// Calls that may hang, and which users wait for them.

#include "daemon/slow_files.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <cerrno>
#include <condition_variable>
#include <latch>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "tests/support/eventually.hpp"

namespace locketd::test {
namespace {

using locket::test::Clock;
using locket::test::eventually;

constexpr SlowFiles::User kAnn = 1000;
constexpr SlowFiles::User kBob = 1001;
constexpr std::size_t kShare = SlowFiles::kMaxThreadsOfUser;

// Plays the loop: what is posted runs when run_posted() is called.
class SlowFilesTest : public ::testing::Test {
 protected:
  void TearDown() override {
    release();
    EXPECT_TRUE(slow.finish(Clock::now() + locket::test::kPatience));
  }

  // A call that hangs until release().
  SlowFiles::Call hanging() {
    return [this] {
      ++hanging_;
      std::unique_lock lock(mutex_);
      released_.wait(lock, [this] { return free_; });
      return 0;
    };
  }

  void release() {
    const std::lock_guard lock(mutex_);
    free_ = true;
    released_.notify_all();
  }

  bool run_posted() {
    std::vector<std::function<void()>> posted;
    {
      const std::lock_guard lock(post_mutex_);
      posted.swap(posted_);
    }
    for (const auto& task : posted) task();
    return !posted.empty();
  }

  // Whether the user's call is made, and its result reported.
  bool served(SlowFiles::User user) {
    int result = -1;
    if (!slow.run(user, [] { return EIO; }, [&](int error) { result = error; })) return false;
    return eventually([&] { return run_posted() && result == EIO; }, std::chrono::seconds(5));
  }

  std::atomic<std::size_t> hanging_ = 0;

 private:
  std::mutex post_mutex_;
  std::vector<std::function<void()>> posted_;
  std::mutex mutex_;
  std::condition_variable released_;
  bool free_ = false;

 protected:
  SlowFiles slow{[this](std::function<void()> task) {
    const std::lock_guard lock(post_mutex_);
    posted_.push_back(std::move(task));
  }};
};

TEST_F(SlowFilesTest, A_call_is_reported_with_its_result) {
  EXPECT_TRUE(served(kAnn));
  EXPECT_TRUE(eventually([&] { return slow.pending(kAnn) == 0; }));
}

TEST_F(SlowFilesTest, The_calls_of_one_user_that_hang_leave_threads_for_others_C15) {
  for (int i = 0; i < 200; ++i) ASSERT_TRUE(slow.run(kAnn, hanging()));
  ASSERT_TRUE(eventually([&] { return hanging_ == kShare; }));
  for (int i = 0; i < 20; ++i) EXPECT_TRUE(served(kBob));
  EXPECT_EQ(hanging_, kShare);
  EXPECT_EQ(slow.pending(kAnn), 200U);
  release();
  EXPECT_TRUE(eventually([&] { return slow.pending(kAnn) == 0; }));
  EXPECT_EQ(hanging_, 200U);
}

TEST_F(SlowFilesTest, No_more_threads_than_in_all_and_all_are_served_in_the_end) {
  constexpr std::size_t kUsers = SlowFiles::kMaxThreads / kShare + 4;
  for (std::size_t i = 0; i < kUsers * kShare; ++i) {
    ASSERT_TRUE(slow.run(static_cast<SlowFiles::User>(i % kUsers), hanging()));
  }
  ASSERT_TRUE(eventually([&] { return hanging_ == SlowFiles::kMaxThreads; }));
  std::this_thread::yield();
  EXPECT_EQ(hanging_, SlowFiles::kMaxThreads);
  release();
  EXPECT_TRUE(eventually([&] { return hanging_ == kUsers * kShare; }));
}

TEST_F(SlowFilesTest, What_a_call_owns_dies_on_its_thread_after_the_report) {
  std::atomic<std::thread::id> died;
  std::atomic<bool> reported_first = false;
  std::atomic<bool> reported = false;
  struct Owned {
    std::atomic<std::thread::id>* where;
    std::atomic<bool>* reported;
    std::atomic<bool>* first;
    ~Owned() {
      std::ignore = eventually([this] { return reported->load(); });
      *first = reported->load();
      *where = std::this_thread::get_id();
    }
  };
  ASSERT_TRUE(slow.run(
      kAnn, [owned = std::make_unique<Owned>(&died, &reported, &reported_first)] { return 0; },
      [&](int) { reported = true; }));
  EXPECT_TRUE(eventually([&] { return run_posted(), reported.load(); }));
  EXPECT_TRUE(eventually([&] { return died.load() != std::thread::id(); }));
  EXPECT_TRUE(reported_first);
  EXPECT_NE(died.load(), std::this_thread::get_id());
}

TEST_F(SlowFilesTest, The_end_waits_no_longer_than_it_is_told_and_reports_nothing_more) {
  bool reported = false;
  ASSERT_TRUE(slow.run(kAnn, hanging(), [&](int) { reported = true; }));
  ASSERT_TRUE(eventually([&] { return hanging_ == 1; }));
  EXPECT_FALSE(slow.finish(Clock::now() + std::chrono::milliseconds(50)));
  release();
  EXPECT_TRUE(slow.finish(Clock::now() + locket::test::kPatience));
  run_posted();
  EXPECT_FALSE(reported);
}

}  // namespace
}  // namespace locketd::test
