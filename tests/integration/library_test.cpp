// The library within one process: threads and handles (C5), and the public interfaces as programs
// use them.

#include <atomic>
#include <cstdlib>
#include <locket/locket.hpp>
#include <mutex>
#include <thread>
#include <vector>

#include "tests/integration/lock_test.hpp"

namespace locket::test {
namespace {

constexpr int kThreads = 32;

class Library : public LockTest {
 protected:
  Library() { ::setenv("LOCKET_SOCKET", daemon.socket().c_str(), 1); }

  void expect_to_succeed(const std::string& program) const {
    const Ended ended = run({{program, folder.path()}, {{"LOCKET_SOCKET", daemon.socket()}}});
    EXPECT_EQ(ended.status, 0) << ended.output << ended.errors;
  }
};

TEST_F(Library, Any_thread_may_release_C5) {
  file_lock lock(path);
  lock.lock();
  std::thread([&] { lock.release(); }).join();
  EXPECT_TRUE(kernel_admits(path));
  EXPECT_TRUE(ann.try_lock(path));
}

TEST_F(Library, Any_handle_may_release_C5) {
  file_lock lock(path);
  file_lock same(folder.path() + "/./test.lock");
  lock.lock();
  EXPECT_TRUE(same.is_held());
  EXPECT_EQ(same.token(), lock.token());
  EXPECT_FALSE(same.try_lock());
  same.release();
  EXPECT_FALSE(lock.is_held());
  EXPECT_TRUE(kernel_admits(path));
}

TEST_F(Library, Releasing_what_is_not_held_is_an_error_and_changes_nothing_C5) {
  file_lock lock(path);
  EXPECT_THROW(lock.release(), not_held_error);
  const Token held = ann.lock(path);
  EXPECT_THROW(lock.release(), not_held_error);
  EXPECT_FALSE(kernel_admits(path));
  ann.release(held);
  lock.lock();
  lock.release();
  EXPECT_THROW(lock.release(), not_held_error);
}

TEST_F(Library, Of_threads_that_race_for_one_release_exactly_one_succeeds_C5) {
  file_lock lock(path);
  for (int round = 0; round < 100; ++round) {
    lock.lock();
    std::atomic<int> succeeded = 0;
    {
      std::vector<std::jthread> threads;
      for (int i = 0; i < 4; ++i) {
        threads.emplace_back(
            [&] { succeeded += locket_release(lock.native_handle(), nullptr) == LOCKET_OK; });
      }
    }
    ASSERT_EQ(succeeded, 1);
  }
}

TEST_F(Library, Many_threads_wait_at_once_and_exclude_each_other_C5) {
  int inside = 0;  // guarded only by the lock, so a sanitizer would report a race
  int turns = 0;
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < kThreads; ++i) {
      threads.emplace_back([&] {
        file_lock lock(path);
        for (int turn = 0; turn < 10; ++turn) {
          const std::lock_guard held(lock);
          EXPECT_EQ(++inside, 1);
          ++turns;
          --inside;
        }
      });
    }
  }
  EXPECT_EQ(turns, kThreads * 10);
  EXPECT_TRUE(eventually([&] { return ann.call("status")["sessions"] == 4; }))
      << "one connection serves all threads";
}

TEST_F(Library, Threads_that_wait_do_not_delay_others_C5) {
  const Token held = ann.lock(path);
  std::vector<std::jthread> waiting;
  for (int i = 0; i < kThreads; ++i) {
    waiting.emplace_back([&] { const guard turn{file_lock(path)}; });
  }
  ASSERT_TRUE(eventually_waiting(kThreads));
  file_lock other(folder / "other.lock");
  for (int i = 0; i < 100; ++i) {
    other.lock();
    other.release();
  }
  EXPECT_EQ(waiters(), static_cast<std::size_t>(kThreads));
  ann.release(held);
}

TEST_F(Library, The_process_holds_on_when_the_daemon_was_restarted_between_its_locks) {
  file_lock lock(path);
  lock.lock();
  lock.release();
  daemon.restart();
  lock.lock();
  EXPECT_FALSE(kernel_admits(path));
  lock.release();
}

TEST_F(Library, Without_a_daemon_the_error_says_where_it_was_looked_for) {
  daemon.stop();
  file_lock lock(path);
  try {
    lock.lock();
    ADD_FAILURE() << "nobody was there to grant it";
  } catch (const no_daemon_error& error) {
    EXPECT_NE(std::string(error.what()).find(daemon.socket()), std::string::npos) << error.what();
  }
  daemon.start();
}

TEST_F(Library, The_documentation_of_locket_holds_line_by_line_in_Cpp) {
  expect_to_succeed(PYTHON_LOCKET_TEST);
}

TEST_F(Library, The_C_interface_does_what_its_header_says) {
  expect_to_succeed(C_API_TEST);
}

}  // namespace
}  // namespace locket::test
