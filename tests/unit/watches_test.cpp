#include "daemon/watches.hpp"

#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "proto/descriptor.hpp"

namespace locketd {
namespace {

using locket::proto::Descriptor;

class WatchesTest : public testing::Test {
 protected:
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

  // As in the server: serves while the set reports something ready.
  void serve_all() {
    pollfd set{watches_.descriptor(), POLLIN, 0};
    while (::poll(&set, 1, 0) > 0) watches_.serve();
  }

  Watches watches_{64};
};

TEST_F(WatchesTest, Whoever_leaves_something_is_called_again) {
  auto [here, there] = sockets();
  std::string heard;
  Watch watch(watches_, [&](std::uint32_t) { heard += hear(here); });
  ASSERT_TRUE(watch.start(here.get(), EPOLLIN));
  say(there, "abc");
  serve_all();
  EXPECT_EQ(heard, "abc");
}

TEST_F(WatchesTest, Those_that_are_ready_take_turns_C15) {
  auto [one, first] = sockets();
  auto [two, second] = sockets();
  std::string heard;
  Watch watch(watches_, [&](std::uint32_t) { heard += hear(one); });
  Watch other(watches_, [&](std::uint32_t) { heard += hear(two); });
  ASSERT_TRUE(watch.start(one.get(), EPOLLIN));
  ASSERT_TRUE(other.start(two.get(), EPOLLIN));
  say(first, "aa");
  say(second, "bb");
  serve_all();
  EXPECT_EQ(heard, "abab");
}

TEST_F(WatchesTest, A_watch_that_another_stopped_is_not_called_although_its_event_had_come) {
  auto [one, first] = sockets();
  auto [two, second] = sockets();
  int calls = 0;
  std::unique_ptr<Watch> watch;
  std::unique_ptr<Watch> other;
  const auto end_the_other = [&](std::unique_ptr<Watch>& which) {
    ++calls;
    which.reset();
  };
  watch = std::make_unique<Watch>(watches_, [&](std::uint32_t) { end_the_other(other); });
  other = std::make_unique<Watch>(watches_, [&](std::uint32_t) { end_the_other(watch); });
  ASSERT_TRUE(watch->start(one.get(), EPOLLIN));
  ASSERT_TRUE(other->start(two.get(), EPOLLIN));
  say(first, "a");
  say(second, "b");
  watches_.serve();
  EXPECT_EQ(calls, 1);
}

TEST_F(WatchesTest, A_watch_is_called_only_for_what_it_was_changed_to) {
  auto [here, there] = sockets();
  std::uint32_t come = 0;
  Watch watch(watches_, [&](std::uint32_t events) { come |= events; });
  ASSERT_TRUE(watch.start(here.get(), EPOLLIN));
  watch.change(EPOLLOUT);
  say(there, "a");
  watches_.serve();
  EXPECT_EQ(come, std::uint32_t{EPOLLOUT});
}

TEST_F(WatchesTest, What_was_stopped_may_be_started_again) {
  auto [here, there] = sockets();
  int calls = 0;
  Watch watch(watches_, [&](std::uint32_t) { ++calls; });
  ASSERT_TRUE(watch.start(here.get(), EPOLLIN));
  watch.stop();
  say(there, "a");
  watches_.serve();
  EXPECT_EQ(calls, 0);
  ASSERT_TRUE(watch.start(here.get(), EPOLLIN));
  watches_.serve();
  EXPECT_EQ(calls, 1);
}

TEST_F(WatchesTest, What_moves_is_called_in_its_new_set_until_it_stops) {
  auto [here, there] = sockets();
  Watches others(64);
  int calls = 0;
  Watch watch(watches_, [&](std::uint32_t) {
    ++calls;
    if (calls == 1) {
      EXPECT_TRUE(watch.move(others));
    }
  });
  ASSERT_TRUE(watch.start(here.get(), EPOLLIN));
  say(there, "a");
  serve_all();
  EXPECT_EQ(calls, 1);
  others.serve();
  EXPECT_EQ(calls, 2);
  watch.stop();
  others.serve();
  EXPECT_EQ(calls, 2);
}

TEST_F(WatchesTest, What_cannot_move_is_called_where_it_was) {
  auto [here, there] = sockets();
  Watches others(64);
  int calls = 0;
  Watch watch(watches_, [&](std::uint32_t) { ++calls; });
  ASSERT_TRUE(watch.start(here.get(), EPOLLIN));
  Watch in_the_way(others, [](std::uint32_t) {});  // because the kernel refuses a descriptor twice
  ASSERT_TRUE(in_the_way.start(here.get(), EPOLLIN));
  EXPECT_FALSE(watch.move(others));
  say(there, "a");
  watches_.serve();
  EXPECT_EQ(calls, 1);
}

TEST_F(WatchesTest, Those_that_move_take_nobodys_turn_C15) {
  constexpr std::size_t kMany = 100;
  Watches few(1);
  std::vector<std::pair<Descriptor, Descriptor>> gone;
  std::vector<std::unique_ptr<Watch>> moving;
  for (std::size_t i = 0; i < kMany; ++i) {
    gone.push_back(sockets());
    moving.push_back(std::make_unique<Watch>(
        few, [&, i](std::uint32_t) { EXPECT_TRUE(moving.at(i)->move(watches_)); }));
    ASSERT_TRUE(moving.back()->start(gone.back().first.get(), EPOLLIN));
    say(gone.back().second, "a");
  }
  auto [here, there] = sockets();
  int calls = 0;
  Watch watch(few, [&](std::uint32_t) { ++calls; });
  ASSERT_TRUE(watch.start(here.get(), EPOLLIN));
  say(there, "a");
  few.serve();
  EXPECT_EQ(calls, 1);
}

}  // namespace
}  // namespace locketd
