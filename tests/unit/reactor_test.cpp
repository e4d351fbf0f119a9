#include "daemon/reactor.hpp"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <memory>
#include <string>
#include <thread>
#include <utility>

#include "proto/descriptor.hpp"

namespace locketd {
namespace {

using locket::proto::Descriptor;
using std::chrono::milliseconds;
using std::chrono::steady_clock;

// A test that goes wrong ends by this.
constexpr std::chrono::seconds kPatience{20};

class ReactorTest : public testing::Test {
 protected:
  ReactorTest() { end_.set(steady_clock::now() + kPatience); }

  std::pair<Descriptor, Descriptor> sockets() {
    std::array<int, 2> pair{-1, -1};
    EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair.data()), 0);
    return {Descriptor(pair[0]), Descriptor(pair[1])};
  }
  static void say(const Descriptor& socket, const std::string& text) {
    EXPECT_EQ(::write(socket.get(), text.data(), text.size()), static_cast<ssize_t>(text.size()));
  }
  static char hear(const Descriptor& socket) {
    char byte = 0;
    EXPECT_EQ(::read(socket.get(), &byte, 1), 1);
    return byte;
  }

  Reactor reactor_;
  Reactor::Timer end_{reactor_, [this] {
                        ADD_FAILURE() << "nothing came";
                        reactor_.stop();
                      }};
};

TEST_F(ReactorTest, Whoever_leaves_something_is_called_again) {
  auto [here, there] = sockets();
  std::string heard;
  Reactor::Watch watch(reactor_, [&](std::uint32_t) {
    heard += hear(here);
    if (heard.size() == 3) reactor_.stop();
  });
  ASSERT_TRUE(watch.start(here.get(), EPOLLIN));
  say(there, "abc");
  reactor_.run();
  EXPECT_EQ(heard, "abc");
}

TEST_F(ReactorTest, Those_that_are_ready_take_turns_C15) {
  auto [one, first] = sockets();
  auto [two, second] = sockets();
  std::string heard;
  const auto listen = [&](const Descriptor& socket) {
    heard += hear(socket);
    if (heard.size() == 4) reactor_.stop();
  };
  Reactor::Watch watch(reactor_, [&](std::uint32_t) { listen(one); });
  Reactor::Watch other(reactor_, [&](std::uint32_t) { listen(two); });
  ASSERT_TRUE(watch.start(one.get(), EPOLLIN));
  ASSERT_TRUE(other.start(two.get(), EPOLLIN));
  say(first, "aa");
  say(second, "bb");
  reactor_.run();
  EXPECT_EQ(heard, "abab");
}

TEST_F(ReactorTest, A_watch_that_another_stopped_is_not_called_although_its_event_had_come) {
  auto [one, first] = sockets();
  auto [two, second] = sockets();
  int calls = 0;
  std::unique_ptr<Reactor::Watch> watch;
  std::unique_ptr<Reactor::Watch> other;
  const auto end_the_other = [&](std::unique_ptr<Reactor::Watch>& which) {
    ++calls;
    which.reset();
    reactor_.post([this] { reactor_.stop(); });
  };
  watch = std::make_unique<Reactor::Watch>(reactor_, [&](std::uint32_t) { end_the_other(other); });
  other = std::make_unique<Reactor::Watch>(reactor_, [&](std::uint32_t) { end_the_other(watch); });
  ASSERT_TRUE(watch->start(one.get(), EPOLLIN));
  ASSERT_TRUE(other->start(two.get(), EPOLLIN));
  say(first, "a");
  say(second, "b");
  reactor_.run();
  EXPECT_EQ(calls, 1);
}

TEST_F(ReactorTest, A_watch_is_called_only_for_what_it_was_changed_to) {
  auto [here, there] = sockets();
  std::uint32_t come = 0;
  Reactor::Watch watch(reactor_, [&](std::uint32_t events) {
    come |= events;
    reactor_.stop();
  });
  ASSERT_TRUE(watch.start(here.get(), EPOLLIN));
  watch.change(EPOLLOUT);
  say(there, "a");
  reactor_.run();
  EXPECT_EQ(come, std::uint32_t{EPOLLOUT});
}

TEST_F(ReactorTest, What_other_threads_post_runs_on_this_one) {
  std::thread::id where;
  std::thread other([&] {
    reactor_.post([&] {
      where = std::this_thread::get_id();
      reactor_.stop();
    });
  });
  reactor_.run();
  other.join();
  EXPECT_EQ(where, std::this_thread::get_id());
}

TEST_F(ReactorTest, What_posts_itself_again_and_again_lets_the_others_have_their_turn_C15) {
  auto [here, there] = sockets();
  Reactor::Watch watch(reactor_, [&](std::uint32_t) { reactor_.stop(); });
  ASSERT_TRUE(watch.start(here.get(), EPOLLIN));
  int turns = 0;
  std::function<void()> again = [&] {
    if (++turns == 3) say(there, "a");
    reactor_.post(again);
  };
  reactor_.post(again);
  reactor_.run();
  EXPECT_GE(turns, 3);
  EXPECT_LE(turns, 5);
}

TEST_F(ReactorTest, A_timer_expires_once_and_never_early_C3) {
  int times = 0;
  const auto when = steady_clock::now() + milliseconds(20);
  Reactor::Timer timer(reactor_, [&] { ++times; });
  Reactor::Timer last(reactor_, [&] { reactor_.stop(); });
  timer.set(steady_clock::now() + milliseconds(2));
  timer.set(when - milliseconds(10));
  last.set(when);
  reactor_.run();
  EXPECT_EQ(times, 1);
  EXPECT_GE(steady_clock::now(), when);
}

}  // namespace
}  // namespace locketd
