#include "client/channel.hpp"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <array>
#include <future>
#include <memory>

#include "proto/lock_file.hpp"
#include "proto/transport.hpp"
#include "tests/support/temporary_folder.hpp"

namespace locket::client {
namespace {

using namespace std::chrono_literals;

class ChannelTest : public testing::Test {
 protected:
  ChannelTest() {
    std::array<int, 2> pair{};
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair.data()) != 0) std::abort();
    channel = Channel::make(proto::Descriptor(pair[0])).value();
    peer.reset(pair[1]);
  }

  // Messages until the socket takes no more; how many.
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

TEST_F(ChannelTest, A_descriptor_in_the_outbox_outlives_the_callers) {
  const test::TemporaryFolder folder;
  fill(std::string(1000, 'x') + '\n');
  auto file = proto::open_lock_file(folder / "lock").value();
  const auto id = proto::identify(file.get()).value();
  ASSERT_TRUE(channel->send(1000, "with a file\n", file.get()));
  file.reset();
  while (channel->has_unsent()) {
    read_all();
    ASSERT_TRUE(channel->flush());
  }
  read_all();
  ASSERT_EQ(descriptors.size(), 1U);
  EXPECT_EQ(proto::identify(descriptors.front().get()).value(), id);
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
