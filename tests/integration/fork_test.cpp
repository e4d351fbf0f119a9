// Forked children of a process that uses the library (C10), and what happens to its locks when the
// children outlive it (C8).

#include <unistd.h>

#include <atomic>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <locket/locket.hpp>
#include <optional>
#include <sstream>
#include <stop_token>
#include <thread>
#include <vector>

#include "tests/integration/lock_test.hpp"

#if defined(__SANITIZE_THREAD__)
// ThreadSanitizer reports a thread that a forked child starts as an error.
extern "C" const char* __tsan_default_options() {
  return "die_after_fork=0";
}
#endif

namespace {
bool leaks_count = true;
}

// LeakSanitizer asks this at the end of a process. In the forked child of a multi-threaded one,
// where it says itself that "false leaks are possible", leaks are not counted.
extern "C" int __lsan_is_turned_off() {
  return leaks_count ? 0 : 1;
}

namespace locket::test {
namespace {

class Fork : public LockTest {
 protected:
  Fork() { ::setenv("LOCKET_SOCKET", daemon.socket().c_str(), 1); }

  // The number of the check that failed in a forked child; 0: none.
  static int in_child(const std::function<int()>& body) { return in_process_of(::geteuid(), body); }
};

// A child that a holder left behind; killed when the test ends.
class Lingering {
 public:
  explicit Lingering(Child& parent) {
    std::istringstream answer(parent.ask("linger"));
    std::string word;
    answer >> word >> pid_;
    EXPECT_GT(pid_, 0) << answer.str();
  }
  ~Lingering() {
    if (pid_ > 0) ::kill(pid_, SIGKILL);
  }
  Lingering(const Lingering&) = delete;
  Lingering& operator=(const Lingering&) = delete;

 private:
  pid_t pid_ = 0;
};

int code_of_release(file_lock& lock) {
  return locket_release(lock.native_handle(), nullptr);
}

// While there is no daemon, the kernel is asked whether a lock is held.
TEST_F(Fork, A_child_has_nothing_of_a_file_that_is_just_looked_at_C10) {
  file_lock lock(path);
  lock.lock();
  daemon.kill();
  std::jthread asking([&](const std::stop_token& stop) {
    while (!stop.stop_requested()) EXPECT_TRUE(lock.is_held());
  });
  for (int i = 0; i < 100; ++i) {
    ASSERT_EQ(in_child([&] {
                for (const auto& fd : std::filesystem::directory_iterator("/proc/self/fd")) {
                  std::error_code error;
                  if (std::filesystem::read_symlink(fd, error) == path) return 1;
                }
                return 0;
              }),
              0);
  }
  asking.request_stop();
  daemon.start();
}

TEST_F(Fork, A_child_holds_nothing_and_cannot_release_it_C10) {
  file_lock lock(path);
  file_lock same(path);
  lock.lock();
  EXPECT_EQ(in_child([&] {
              if (lock.is_held() || same.is_held() || lock.token() != 0) return 1;
              if (code_of_release(lock) != LOCKET_NOT_HELD) return 2;
              if (code_of_release(same) != LOCKET_NOT_HELD) return 3;
              lock.unlock();
              return lock.try_lock() ? 4 : 0;
            }),
            0);
  EXPECT_TRUE(lock.is_held());
  EXPECT_FALSE(kernel_admits(path));
  EXPECT_FALSE(ann.try_lock(path));
  lock.release();
  EXPECT_TRUE(ann.try_lock(path));
}

TEST_F(Fork, A_child_that_destroys_its_handles_or_exits_disturbs_nothing_C10) {
  std::optional<file_lock> lock(path);
  lock->lock();
  EXPECT_EQ(in_child([&] {
              lock.reset();
              return 0;
            }),
            0);
  EXPECT_EQ(in_child([&] {
              leaks_count = false;
              std::exit(0);
              return 1;
            }),
            0);
  EXPECT_FALSE(kernel_admits(path));
  EXPECT_TRUE(lock->is_held());
  EXPECT_EQ(ann.call("status")["holders"], 1);
}

TEST_F(Fork, A_child_locks_on_its_own_with_handles_of_before_and_new_ones_C10) {
  file_lock lock(path);
  file_lock other(folder / "other.lock");
  lock.lock();
  const auto token = lock.token();
  EXPECT_EQ(in_child([&] {
              other.lock();
              if (!other.is_held() || other.token() <= token) return 1;
              if (kernel_admits(other.path())) return 2;
              file_lock third(folder / "third.lock");
              third.lock();
              third.release();
              other.release();
              if (!kernel_admits(other.path())) return 3;
              return code_of_release(other) == LOCKET_NOT_HELD ? 0 : 4;
            }),
            0);
  EXPECT_TRUE(lock.is_held());
  EXPECT_FALSE(other.is_held());
  lock.release();
}

TEST_F(Fork, A_child_has_none_of_its_parents_descriptors_C10) {
  const auto descriptors = [] {
    std::size_t count = 0;
    for (const auto& fd : std::filesystem::directory_iterator("/proc/self/fd")) {
      std::error_code error;
      const std::string target = std::filesystem::read_symlink(fd, error);
      count += target.ends_with(".lock") || target.find("eventfd") != std::string::npos ? 1U : 0U;
    }
    return count;
  };
  const Token held = ann.lock(folder / "waited.lock");
  file_lock lock(path);
  lock.lock();
  std::jthread waiting([&] { const guard turn{file_lock(folder / "waited.lock")}; });
  ASSERT_TRUE(eventually_waiting(1));
  EXPECT_GE(descriptors(), 4U);
  EXPECT_EQ(in_child([&] { return static_cast<int>(descriptors()); }), 0);
  ann.release(held);
}

TEST_F(Fork, A_child_made_while_others_wait_disturbs_no_wait_C10) {
  const Token held = ann.lock(path);
  std::atomic<int> turns = 0;
  std::vector<std::jthread> waiting;
  for (int i = 0; i < 4; ++i) {
    waiting.emplace_back([&] {
      const guard turn{file_lock(path)};
      ++turns;
    });
  }
  ASSERT_TRUE(eventually_waiting(4));
  EXPECT_EQ(in_child([&] {
              file_lock other(folder / "other.lock");
              other.lock();
              file_lock same(path);
              return same.try_lock() ? 1 : 0;
            }),
            0);
  EXPECT_EQ(turns, 0);
  EXPECT_EQ(waiters(), 4U);
  ann.release(held);
  waiting.clear();
  EXPECT_EQ(turns, 4);
}

// A thread that the child does not have may hold AddressSanitizer's allocator lock at the fork.
#ifndef __SANITIZE_ADDRESS__
TEST_F(Fork, Children_made_amid_everything_are_whole_C10) {
  std::vector<std::jthread> busy;
  for (int i = 0; i < 4; ++i) {
    busy.emplace_back([&, i](const std::stop_token& stop) {
      file_lock lock(i % 2 == 0 ? path : folder / "other.lock");
      while (!stop.stop_requested()) {
        lock.set_reason("busy");
        const guard turn(lock);
      }
    });
  }
  for (int i = 0; i < 50; ++i) {
    ASSERT_EQ(in_child([&] {
                ::alarm(20);  // in case it blocks on a mutex of a thread that it does not have
                file_lock lock(path);
                lock.set_reason("child");
                lock.lock();
                lock.release();
                return 0;
              }),
              0)
        << i;
  }
}
#endif

TEST_F(Fork, The_parent_keeps_its_locks_through_a_restart_while_a_child_lives_C9) {
  Child holder(program());
  ASSERT_TRUE(says(holder.ask("lock " + path), "held"));
  const Lingering child(holder);
  daemon.kill();
  daemon.start();
  RawClient eve(daemon.socket());
  EXPECT_TRUE(eventually([&] { return eve.call("status")["holders"] == 1; }));
  EXPECT_FALSE(eve.try_lock(path));
  EXPECT_EQ(holder.ask("release " + path), "released");
  EXPECT_TRUE(eve.try_lock(path));
}

TEST_F(Fork, A_killed_holders_lock_is_free_although_its_child_lives_on_C8) {
  Child holder(program());
  ASSERT_TRUE(says(holder.ask("lock " + path), "held"));
  const Lingering child(holder);
  const Id wait = ann.acquire(path);
  holder.signal(SIGKILL);
  EXPECT_GT(ann.granted(wait), 0U);
}

}  // namespace
}  // namespace locket::test
