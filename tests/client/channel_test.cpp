#include "client/channel.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <barrier>
#include <future>
#include <memory>
#include <mutex>
#include <sstream>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "proto/lock_file.hpp"
#include "proto/transport.hpp"
#include "tests/support/eventually.hpp"
#include "tests/support/temporary_folder.hpp"

namespace locket::client {
namespace {

using namespace std::chrono_literals;

class ChannelTest : public testing::Test {
 protected:
  ChannelTest() {
    std::array<int, 2> pair{};
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair.data()) != 0) std::abort();
    socket = pair[0];
    channel = Channel::make(proto::Descriptor(socket)).value();
    peer.reset(pair[1]);
  }

  // Sends messages until the socket takes no more; returns how many.
  proto::RequestId fill(const std::string& line) {
    proto::RequestId id = 0;
    while (!channel->has_unsent()) EXPECT_TRUE(channel->send(++id, line, -1));
    return id;
  }

  std::string read_all() {
    std::string all;
    std::array<char, 65536> buffer{};
    while (const auto got = proto::try_receive(peer.get(), buffer, descriptors)) {
      if (got->bytes == 0) break;
      all.append(buffer.data(), got->bytes);
    }
    return all;
  }

  int socket = -1;  // the channel's
  std::shared_ptr<Channel> channel;
  proto::Descriptor peer;
  proto::Descriptors descriptors;
};

TEST_F(ChannelTest, Nothing_overtakes_what_a_full_socket_leaves_in_the_outbox) {
  const std::string line = std::string(1000, 'x') + '\n';
  const auto filled = fill(line);
  ASSERT_TRUE(channel->send(filled + 1, "last\n", -1));
  std::string all;
  while (channel->has_unsent()) {
    all += read_all();
    ASSERT_TRUE(channel->flush());
  }
  all += read_all();
  EXPECT_EQ(all.size(), filled * line.size() + 5);
  EXPECT_TRUE(all.ends_with("x\nlast\n"));
}

TEST_F(ChannelTest, A_small_socket_cuts_no_message) {
  const int least = 1;  // the kernel raises it to its minimum
  ASSERT_EQ(::setsockopt(socket, SOL_SOCKET, SO_SNDBUF, &least, sizeof least), 0);
  std::mutex mutex;
  Channel::Lock lock(mutex);
  for (std::size_t size = 1000; size < 6000; size += 250) {
    for (std::size_t ahead = 0; ahead < 8; ++ahead) {
      std::string expected;
      for (std::size_t i = 0; i <= ahead; ++i) {
        const std::string line = std::string(i < ahead ? 300 : size, 'x') + '\n';
        ASSERT_TRUE(channel->send(lock, i, line, -1));
        expected += line;
      }
      std::string all = read_all();
      while (channel->has_unsent()) {
        ASSERT_TRUE(channel->flush(lock));
        all += read_all();
      }
      EXPECT_TRUE(all == expected) << size << " bytes behind " << ahead << " others";
    }
  }
}

TEST_F(ChannelTest, Messages_that_leave_together_keep_their_order_and_descriptors) {
  const test::TemporaryFolder folder;
  fill(std::string(1000, 'x') + '\n');
  std::string expected;
  proto::Descriptors files;
  for (int i = 0; i < 100; ++i) {
    const std::string line = fmt::format("{}\n", i);
    int file = -1;
    if (i % 3 != 0) {
      files.push_back(proto::open_lock_file(folder / line.substr(0, line.size() - 1)).value());
      file = files.back().get();
    }
    ASSERT_TRUE(channel->send(1000, line, file));
    expected += line;
  }
  std::string all;
  std::mutex mutex;
  Channel::Lock lock(mutex);
  while (channel->has_unsent()) {
    all += read_all();
    ASSERT_TRUE(channel->flush(lock));
  }
  all += read_all();
  EXPECT_TRUE(all.ends_with("x\n" + expected));
  ASSERT_EQ(descriptors.size(), files.size());
  for (std::size_t i = 0; i < files.size(); ++i) {
    EXPECT_EQ(proto::identify(descriptors[i].get()).value(),
              proto::identify(files[i].get()).value());
  }
}

// Each message consists of its thread's number and its own, and carries that thread's file, so that
// any that is out of order, or with another's file, shows.
struct Talk {
  std::shared_ptr<Channel> channel;
  std::mutex mutex;
  std::vector<proto::Descriptor> files;

  void speak(std::size_t thread, std::size_t times) {
    for (std::size_t i = 0; i < times; ++i) {
      const std::string line = fmt::format("{} {}\n", thread, i);
      Channel::Lock lock(mutex);
      EXPECT_TRUE(channel->send(lock, i, line, files[thread].get()));
      EXPECT_TRUE(channel->flush(lock));
      EXPECT_TRUE(lock.owns_lock());
    }
  }
};

class ThreadsOnAChannel : public ChannelTest {
 protected:
  static constexpr std::size_t kThreads = 4;

  ThreadsOnAChannel() {
    talk.channel = channel;
    for (std::size_t i = 0; i < kThreads; ++i) {
      talk.files.push_back(proto::open_lock_file(folder / std::to_string(i)).value());
    }
  }

  test::TemporaryFolder folder;
  Talk talk;
};

TEST_F(ThreadsOnAChannel, Send_whole_messages_with_their_own_descriptors) {
  constexpr std::size_t kEach = 2000;
  std::vector<std::jthread> threads;
  for (std::size_t i = 0; i < kThreads; ++i) {
    threads.emplace_back([this, i] { talk.speak(i, kEach); });
  }
  std::array<std::size_t, kThreads> came{};
  EXPECT_TRUE(test::eventually([&] {
    std::istringstream lines(read_all());
    std::size_t thread = 0;
    std::size_t number = 0;
    for (const auto& descriptor : std::exchange(descriptors, {})) {
      lines >> thread >> number;
      EXPECT_EQ(number, came.at(thread)++);
      EXPECT_EQ(proto::identify(descriptor.get()).value(),
                proto::identify(talk.files[thread].get()).value());
    }
    EXPECT_FALSE(lines >> thread);
    const Channel::Lock lock(talk.mutex);
    EXPECT_TRUE(channel->flush());  // what was too much for the socket
    return std::ranges::count(came, kEach) == kThreads;
  }));
}

#if !defined(__SANITIZE_ADDRESS__)  // whose look at an object's type needs a descriptor
TEST_F(ThreadsOnAChannel, Need_no_descriptor_to_send_one) {
  constexpr std::size_t kEach = 50;  // few enough for a socket
  constexpr int kRounds = 100;
  std::barrier turn(kThreads + 1);
  std::vector<std::jthread> threads;
  for (std::size_t i = 0; i < kThreads; ++i) {
    threads.emplace_back([&talk = talk, i, &turn] {
      for (int round = 0; round < kRounds; ++round) {
        turn.arrive_and_wait();
        talk.speak(i, kEach);
        turn.arrive_and_wait();
      }
    });
  }
  rlimit before{};
  EXPECT_EQ(::getrlimit(RLIMIT_NOFILE, &before), 0);
  const rlimit none{0, before.rlim_max};
  for (int round = 0; round < kRounds; ++round) {
    EXPECT_EQ(::setrlimit(RLIMIT_NOFILE, &none), 0);
    turn.arrive_and_wait();
    turn.arrive_and_wait();
    EXPECT_EQ(::setrlimit(RLIMIT_NOFILE, &before), 0);
    std::array<char, 65536> buffer{};
    while (proto::try_receive(peer.get(), buffer).value().bytes > 0) {
    }
  }
}
#endif

// Their owners may close them then.
TEST_F(ChannelTest, After_it_is_shut_down_no_descriptor_leaves) {
  const test::TemporaryFolder folder;
  fill(std::string(1000, 'x') + '\n');
  const auto file = proto::open_lock_file(folder / "lock").value();
  ASSERT_TRUE(channel->send(1000, "with a file\n", file.get()));
  channel->shut_down();
  read_all();
  EXPECT_FALSE(channel->flush());
  read_all();
  EXPECT_TRUE(descriptors.empty());
}

TEST_F(ChannelTest, A_message_can_be_taken_back_until_it_begins_to_leave) {
  const auto begun = fill(std::string(1000, 'x') + '\n');
  ASSERT_TRUE(channel->send(begun + 1, "not yet\n", -1));
  EXPECT_TRUE(channel->withdraw(begun + 1));
  EXPECT_FALSE(channel->withdraw(begun + 1));
  EXPECT_FALSE(channel->withdraw(1));
}

TEST_F(ChannelTest, A_sleeper_is_woken_by_bytes_by_wake_and_by_the_clock) {
  const auto asleep = [&](TimePoint until) {
    return std::async(std::launch::async, [&, until] { channel->wait(until, false); });
  };
  auto by_wake = asleep(kNever);
  channel->wake();
  EXPECT_EQ(by_wake.wait_for(10s), std::future_status::ready);

  const auto until = Clock::now() + 10ms;
  channel->wait(until, false);
  EXPECT_GE(Clock::now(), until);

  auto by_bytes = asleep(kNever);
  ASSERT_EQ(::send(peer.get(), "a\nb", 3, 0), 3);
  EXPECT_EQ(by_bytes.wait_for(10s), std::future_status::ready);
  EXPECT_EQ(channel->receive().value(), Channel::Intake::none);
  EXPECT_EQ(channel->next_line().value(), "a");
  EXPECT_EQ(channel->next_line().value(), std::nullopt);
}

TEST_F(ChannelTest, The_other_ends_end_is_told_from_silence) {
  EXPECT_EQ(channel->receive().value(), Channel::Intake::none);
  peer.reset();
  EXPECT_EQ(channel->receive().value(), Channel::Intake::closed);
  EXPECT_EQ(channel->send(1, "too late\n", -1).error().code, proto::Errc::connection_lost);
}

}  // namespace
}  // namespace locket::client
