// How a program learns that the kernel no longer has one of its locks: from its next call, and from
// the callback it has registered.

#include <atomic>
#include <future>

#include "tests/client/reclaim_fixture.hpp"

namespace locket::client {
namespace {

using namespace std::chrono_literals;
using proto::Errc;
using test::failure;

TEST_F(ReclaimTest, A_lock_that_was_lost_is_not_held_and_release_says_so_once_C9) {
  const auto lock = make(path);
  const auto same = make(path);
  std::promise<proto::Token> told;
  lock->on_lost([&](proto::Token token) { told.set_value(token); });
  same->on_lost([](proto::Token) { ADD_FAILURE() << "it was not acquired through this one"; });
  acquire(*lock, 7);
  succeed();
  daemon.reply(daemon.next().id, failure(Errc::lost, "the kernel says so"));
  EXPECT_EQ(told.get_future().get(), 7U);
  EXPECT_EQ(lock->token(), 0U);
  EXPECT_EQ(same->token(), 0U);
  EXPECT_EQ(lock->release().error().code, Errc::lost);
  EXPECT_EQ(lock->release().error().code, Errc::not_held);
  EXPECT_FALSE(daemon.next_if_any());
}

TEST_F(ReclaimTest, A_callback_may_do_anything_even_end_its_own_handle_C9) {
  auto lock = make(path);
  std::promise<Errc> done;
  lock->on_lost([&](proto::Token) {
    lock->on_lost({});
    const Errc code = lock->release().error().code;
    lock.reset();
    done.set_value(code);
  });
  acquire(*lock, 7);
  succeed();
  daemon.reply(daemon.next().id, failure(Errc::lost));
  EXPECT_EQ(done.get_future().get(), Errc::lost);
}

TEST_F(ReclaimTest, A_handle_ends_only_when_its_callback_has_returned_C9) {
  auto lock = make(path);
  std::promise<void> entered;
  std::promise<void> leave;
  std::atomic<bool> returned = false;
  lock->on_lost([&](proto::Token) {
    entered.set_value();
    leave.get_future().wait();
    returned = true;
  });
  acquire(*lock, 7);
  succeed();
  daemon.reply(daemon.next().id, failure(Errc::lost));
  entered.get_future().wait();
  auto ended = std::async(std::launch::async, [&] {
    lock.reset();
    return returned.load();
  });
  EXPECT_EQ(ended.wait_for(50ms), std::future_status::timeout);
  leave.set_value();
  EXPECT_TRUE(ended.get());
}

}  // namespace
}  // namespace locket::client
