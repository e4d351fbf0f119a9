// Locks on healthy files that are not local: they work like any others, but on other threads.

#include <sys/file.h>

#include <algorithm>
#include <cstdlib>
#include <deque>
#include <locket/locket.hpp>
#include <vector>

#include "tests/integration/slow_files.hpp"

namespace locket::test {
namespace {

using NotLocal = SlowFiles;

TEST_F(NotLocal, More_waits_for_outsiders_than_threads_are_served_on_files_that_are_not_local) {
  for (const auto locks : {SlowFileSystem::Locks::kernel, SlowFileSystem::Locks::own}) {
    SlowFileSystem slow(locks);
    SKIP_UNLESS_MOUNTED(slow);
    constexpr std::size_t kWaits = kWaitThreadsOfUser + 16;
    std::deque<KernelLock> outsiders;
    std::vector<Id> waiting;
    for (std::size_t i = 0; i < kWaits; ++i) {
      outsiders.emplace_back(slow / std::to_string(i));
      waiting.push_back(ann.acquire(slow / std::to_string(i)));
    }
    ASSERT_TRUE(eventually([&] {
      const auto rows = cal.list();
      return std::ranges::count(rows, Json(true),
                                [](const Json& row) { return row["external"]; }) == kWaits;
    }));
    // A thread that is about to end counts for a moment beside the one that replaces it.
    EXPECT_TRUE(
        eventually([&] { return threads_started() <= kWaitThreadsOfUser + kSlowThreadsOfUser; }));
    for (std::size_t i = kWaits; i-- > kWaits / 2;) {
      outsiders[i].unlock();
      ann.release(ann.granted(waiting[i]));
    }
    for (std::size_t i = 0; i < kWaits / 2; ++i) {
      ann.notify("cancel", {{"id", waiting[i]}});
      EXPECT_EQ(name_of(ann.error(waiting[i])), "cancelled");
    }
    EXPECT_TRUE(eventually([&] { return threads_started() == 0; }));
  }
}

TEST_F(NotLocal, A_lock_on_a_file_that_is_not_local_passes_on_in_order_C4_C8) {
  for (const auto locks : {SlowFileSystem::Locks::kernel, SlowFileSystem::Locks::own}) {
    SlowFileSystem slow(locks);
    SKIP_UNLESS_MOUNTED(slow);
    const std::string file = slow / "some.lock";
    RawClient first(daemon.socket());
    first.lock(file);
    EXPECT_FALSE(kernel_admits(file));
    const Id second = ann.acquire(file);
    ASSERT_TRUE(ann.waits(second));
    const Id third = bob.acquire(file);
    ASSERT_TRUE(bob.waits(third));
    EXPECT_FALSE(cal.try_lock(file));
    first.close();
    const Token token = ann.granted(second);
    EXPECT_TRUE(bob.waits(third));
    ann.release(token);
    bob.release(bob.granted(third));
    EXPECT_TRUE(eventually([&] { return kernel_admits(file); }));
  }
}

// The daemon unlocks on another thread than the one it locks on.
TEST_F(NotLocal, What_was_given_back_is_free_at_once_on_a_file_that_is_not_local_C7) {
  SlowFileSystem slow(SlowFileSystem::Locks::kernel);
  SKIP_UNLESS_MOUNTED(slow);
  for (int i = 0; i < 100; ++i) {
    const Id id = ann.acquire(slow / "some.lock");
    ann.granted(id);
    ann.call("cancel", {{"id", id}});
    ASSERT_TRUE(bob.try_lock(slow / "some.lock"));
    bob.close();
    bob = RawClient(daemon.socket());
    ASSERT_TRUE(eventually([&] { return cal.list().empty(); }));
  }
}

TEST_F(NotLocal, A_lock_that_the_file_system_keeps_itself_can_be_reclaimed_C9) {
  for (const auto locks : {SlowFileSystem::Locks::kernel, SlowFileSystem::Locks::own}) {
    SlowFileSystem slow(locks);
    SKIP_UNLESS_MOUNTED(slow);
    const Token held = ann.granted(pass(ann, slow / "held.lock"));
    const Token lost = ann.granted(pass(ann, slow / "lost.lock"));
    daemon.restart();
    ::flock(files_[1].get(), LOCK_UN);
    const KernelLock other(slow / "lost.lock");
    ann = RawClient(daemon.socket());
    bob = RawClient(daemon.socket());
    cal = RawClient(daemon.socket());
    const auto reclaim = [&](Token token, std::size_t file) {
      return ann.start("reclaim", {{"path", "/slow"}, {"token", token}}, {files_[file].get()});
    };
    EXPECT_EQ(ann.granted(reclaim(held, 0)), held);
    EXPECT_EQ(name_of(ann.error(reclaim(lost, 1))), "lost");
    EXPECT_FALSE(bob.try_lock(slow / "held.lock"));
    ann.close();
    ann = RawClient(daemon.socket());
    files_.clear();
  }
}

// The kernel does not know of such a lock, so the library cannot find it lost while no daemon is
// there.
TEST_F(NotLocal, A_lock_that_the_file_system_keeps_itself_is_held_while_no_daemon_is_back_C9) {
  ::setenv("LOCKET_SOCKET", daemon.socket().c_str(), 1);
  for (const auto locks : {SlowFileSystem::Locks::kernel, SlowFileSystem::Locks::own}) {
    SlowFileSystem slow(locks);
    SKIP_UNLESS_MOUNTED(slow);
    const std::string name = slow / "some.lock";
    file_lock lock(name);
    file_lock local(path);
    lock.lock();
    local.lock();
    daemon.kill();
    unlock_by_force(path);
    ASSERT_TRUE(eventually([&] { return !local.is_held(); }));
    EXPECT_TRUE(lock.is_held());
    EXPECT_FALSE(kernel_admits(name));
    EXPECT_NO_THROW(lock.release());
    EXPECT_TRUE(kernel_admits(name));
    daemon.start();
  }
  for (RawClient* client : {&ann, &bob, &cal}) *client = RawClient(daemon.socket());
}

}  // namespace
}  // namespace locket::test
