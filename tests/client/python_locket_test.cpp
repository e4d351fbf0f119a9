// What Python locket's documentation shows and says, line by line, in C++ against a real locketd.
//
// Usage: python_locket_test FOLDER, with LOCKET_SOCKET in the environment. Prints what is wrong;
// exits with 0 if nothing is. A C++17 program that uses only <locket/locket.hpp>.

#include <atomic>
#include <chrono>
#include <iostream>
#include <locket/locket.hpp>
#include <mutex>
#include <shared_mutex>
#include <string>
#include <thread>
#include <type_traits>
#include <vector>

using namespace std::chrono_literals;

namespace {

int failures = 0;
int actions = 0;

#define CHECK(condition)                                                      \
  do {                                                                        \
    if (!(condition)) {                                                       \
      ++failures;                                                             \
      std::cerr << __FILE__ << ':' << __LINE__ << ": " << #condition << '\n'; \
    }                                                                         \
  } while (false)

template <typename Expected, typename Body>
void check_throws(const char* what, Body body) {
  try {
    body();
  } catch (const Expected&) {
    return;
  } catch (const std::exception& other) {
    std::cerr << what << ": threw something else: " << other.what() << '\n';
  }
  ++failures;
  std::cerr << what << ": does not throw what it should\n";
}

void perform_action() {
  ++actions;
}

// with locket.lock_file("path/to/lock/file"): perform_action()
void Waits_for_the_lock(const std::string& path) {
  locket::guard held(locket::lock_file(path));
  perform_action();
}

// with locket.lock_file("path/to/lock/file", timeout=0): ...
void Throws_when_the_lock_cannot_be_acquired_immediately(const std::string& path) {
  {
    locket::guard held(locket::lock_file(path, 0s));
    perform_action();
    check_throws<locket::timeout_error>("timeout=0", [&] {
      locket::guard second(locket::lock_file(path, 0s));
      perform_action();
    });
  }
  locket::guard again(locket::lock_file(path, 0s));
}

// with locket.lock_file("path/to/lock/file", timeout=30): ... (here a fraction of a second)
void Throws_when_the_lock_cannot_be_acquired_in_time_and_no_earlier_C3(const std::string& path) {
  locket::guard held(locket::lock_file(path));
  const auto start = std::chrono::steady_clock::now();
  check_throws<locket::lock_error>("timeout=0.1", [&] {
    locket::guard second(locket::lock_file(path, 100ms));
    perform_action();
  });
  CHECK(std::chrono::steady_clock::now() - start >= 100ms);
  CHECK(std::chrono::steady_clock::now() - start < 5s);
}

// Without context managers.
void Works_without_a_guard(const std::string& path) {
  auto lock = locket::lock_file(path);
  lock.acquire();
  perform_action();
  lock.release();
}

// "Locks are uniquely identified by the file being locked, both in the same process and across
// different processes."
void Is_identified_by_the_file_C1(const std::string& path) {
  auto lock = locket::lock_file(path);
  auto same = locket::lock_file(path.substr(0, path.rfind('/')) + "/./some.lock");
  lock.acquire();
  CHECK(same.is_held());
  CHECK(!same.try_lock());
  same.release();
  CHECK(!lock.is_held());
}

// "When the lock is unlocked, calling acquire() returns immediately." "When the lock is locked,
// calling acquire() will block until the lock state changes to unlocked, or until the timeout
// expires."
void Blocks_until_it_is_unlocked(const std::string& path) {
  auto lock = locket::lock_file(path);
  lock.acquire();
  std::atomic<bool> released = false;
  std::thread waiter([&] {
    locket::guard held(locket::lock_file(path, 30s));
    CHECK(released);
  });
  released = true;
  lock.release();
  waiter.join();
}

// "If a process holds a lock, any thread in that process can call release()."
void Is_released_by_any_thread_C5(const std::string& path) {
  auto lock = locket::lock_file(path);
  lock.acquire();
  std::thread([&] { lock.release(); }).join();
  CHECK(!lock.is_held());
}

// "Calling release() on an unlocked lock raises LockError."
void Release_of_an_unlocked_lock_throws_C5(const std::string& path) {
  auto lock = locket::lock_file(path);
  check_throws<locket::not_held_error>("release", [&] { lock.release(); });
  try {
    lock.release();
  } catch (const locket::lock_error& error) {
    CHECK(error.what() == "cannot release unlocked lock: " + path);
    CHECK(error.code() == LOCKET_NOT_HELD && error.path() == path && error.holders().empty());
  }
}

// ---- Beyond Python's: the standard library's own locks ----

void Works_with_the_standards_locks(const std::string& path) {
  locket::file_lock file(path);
  locket::file_lock other(path + ".2");
  {
    std::lock_guard held(file);
    CHECK(file.is_held());
  }
  {
    std::scoped_lock both(file, other);
    CHECK(file.is_held() && other.is_held());
  }
  {
    std::unique_lock held(file, std::defer_lock);
    CHECK(held.try_lock_for(1s));
    held.unlock();
    CHECK(held.try_lock_until(std::chrono::system_clock::now() + 1s));
    held.unlock();
    CHECK(held.try_lock_for(-1s));  // in the past: an attempt without waiting
  }
  {
    std::shared_lock reads(file);
    std::shared_lock reads_too(file, std::try_to_lock);
    CHECK(reads_too.owns_lock());
    locket::file_lock writer(path);
    CHECK(!writer.try_lock());
    CHECK(!writer.try_lock_for(10ms));
    CHECK(!writer.try_lock_until(std::chrono::steady_clock::now() + 10ms));
  }
  {
    std::shared_lock reads(file, std::defer_lock);
    CHECK(reads.try_lock_for(std::chrono::hours::max()));
    reads.unlock();
    CHECK(reads.try_lock_until(std::chrono::steady_clock::now() - 1s));
    locket::file_lock writer(path);
    CHECK(!writer.try_lock_until(std::chrono::steady_clock::time_point::min()));
    CHECK(!writer.try_lock_until(std::chrono::system_clock::time_point::min()));
  }
  CHECK(!file.is_held() && !other.is_held());
  file.unlock();  // harmless
}

void Says_who_holds_the_lock_C13(const std::string& path) {
  locket::file_lock file(path, 0s);
  file.set_reason("nightly backup");
  file.acquire();
  try {
    file.acquire();  // not re-entrant
    CHECK(false);
  } catch (const locket::timeout_error& error) {
    CHECK(error.holders().size() == 1);
    const locket::holder& holder = error.holders().at(0);
    CHECK(holder.reason == "nightly backup" && holder.token == file.token() && !holder.shared);
    CHECK(std::chrono::system_clock::now() - holder.since < 60s && holder.held < 60s);
    std::cout << error.what() << '\n';
  }
  file.release();
}

void Refuses_timeouts_that_make_no_sense_C3(const std::string& path) {
  for (const double seconds : {-1.0, 1e300, 0.0 / 0.0, 1.0 / 0.0}) {
    check_throws<locket::invalid_argument_error>(
        "timeout", [&] { locket::file_lock lock(path, locket::duration(seconds)); });
  }
  check_throws<locket::invalid_argument_error>("path", [] { locket::file_lock lock(""); });
  check_throws<locket::file_error>(
      "folder", [&] { locket::guard held(locket::lock_file(path + "/not/there")); });
}

void Locks_move_and_tokens_rise(const std::string& path) {
  static_assert(!std::is_copy_constructible_v<locket::file_lock>);
  std::vector<locket::file_lock> locks;
  locks.push_back(locket::lock_file(path));
  locks.front().acquire();
  const auto first = locks.front().token();
  locket::file_lock moved = std::move(locks.front());
  CHECK(moved.token() == first);
  moved.release();
  moved.acquire_shared();
  CHECK(moved.token() > first);
}  // releases

void Many_threads_take_turns_C2(const std::string& path) {
  constexpr int kThreads = 8;
  constexpr int kTurns = 100;
  int counter = 0;  // guarded only by the lock
  std::vector<std::thread> threads;
  for (int i = 0; i < kThreads; ++i) {
    threads.emplace_back([&] {
      auto lock = locket::lock_file(path);
      for (int turn = 0; turn < kTurns; ++turn) {
        std::lock_guard held(lock);
        ++counter;
      }
    });
  }
  for (auto& thread : threads) thread.join();
  CHECK(counter == kThreads * kTurns);
}

}  // namespace

int main(int argc, char** argv) try {
  if (argc != 2) {
    std::cerr << "usage: " << argv[0] << " FOLDER\n";
    return 64;
  }
  const std::string path = std::string(argv[1]) + "/some.lock";
  Waits_for_the_lock(path);
  Throws_when_the_lock_cannot_be_acquired_immediately(path);
  Throws_when_the_lock_cannot_be_acquired_in_time_and_no_earlier_C3(path);
  Works_without_a_guard(path);
  CHECK(actions == 3);
  Is_identified_by_the_file_C1(path);
  Blocks_until_it_is_unlocked(path);
  Is_released_by_any_thread_C5(path);
  Release_of_an_unlocked_lock_throws_C5(path);
  Works_with_the_standards_locks(path);
  Says_who_holds_the_lock_C13(path);
  Refuses_timeouts_that_make_no_sense_C3(path);
  Locks_move_and_tokens_rise(path);
  Many_threads_take_turns_C2(path);
  return failures == 0 ? 0 : 1;
} catch (const std::exception& error) {
  std::cerr << "unexpected: " << error.what() << '\n';
  return 1;
}
