#include "proto/transport.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "tests/unit/temporary_folder.hpp"

namespace locket::proto {
namespace {

ino_t inode_of(const Descriptor& file) {
  struct stat info{};
  EXPECT_TRUE(file && ::fstat(file.get(), &info) == 0);
  return info.st_ino;
}

// Two ends of a connection, and files to send over it.
class Transport : public ::testing::Test {
 protected:
  Transport() {
    std::array<int, 2> ends{};
    EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()), 0);
    here_.reset(ends[0]);
    there_.reset(ends[1]);
  }

  Descriptor file(const std::string& name) const {
    return Descriptor(::open((folder_ / name).c_str(), O_RDONLY | O_CREAT | O_CLOEXEC, 0600));
  }

  // One call: returns the bytes; the descriptors go to received_.
  std::string receive(std::size_t room = 1024) {
    std::string bytes(room, '\0');
    const auto got = try_receive(there_.get(), bytes, received_);
    EXPECT_TRUE(got);
    last_ = got.value_or(Received{});
    bytes.resize(last_.bytes);
    return bytes;
  }
  std::string receive_all() {
    std::string all;
    for (std::string part = receive(); !part.empty(); part = receive()) all += part;
    return all;
  }

  test::TemporaryFolder folder_;
  Descriptor here_;
  Descriptor there_;
  Descriptors received_;
  Received last_;
};

TEST_F(Transport, Bytes_arrive) {
  EXPECT_EQ(try_send(here_.get(), "hello", -1), 5U);
  EXPECT_EQ(receive(), "hello");
  EXPECT_TRUE(received_.empty());
}

TEST_F(Transport, A_descriptor_arrives_with_its_bytes_and_is_the_same_file) {
  const Descriptor sent = file("one");
  EXPECT_EQ(try_send(here_.get(), "take this", sent.get()), 9U);
  EXPECT_EQ(receive(), "take this");
  ASSERT_EQ(received_.size(), 1U);
  EXPECT_EQ(inode_of(received_[0]), inode_of(sent));
  EXPECT_NE(received_[0].get(), sent.get());
}

TEST_F(Transport, A_descriptor_that_arrives_is_closed_on_exec) {
  EXPECT_TRUE(try_send(here_.get(), "x", file("one").get()));
  receive();
  ASSERT_EQ(received_.size(), 1U);
  EXPECT_NE(::fcntl(received_[0].get(), F_GETFD) & FD_CLOEXEC, 0);
}

TEST_F(Transport, Descriptors_arrive_in_the_order_in_which_they_were_sent) {
  std::vector<Descriptor> sent;
  for (int i = 0; i < 20; ++i) {
    sent.push_back(file(std::to_string(i)));
    EXPECT_TRUE(try_send(here_.get(), "with\n", sent.back().get()));
    EXPECT_TRUE(try_send(here_.get(), "without\n", -1));
  }
  EXPECT_EQ(receive_all().size(), 20U * 13);
  ASSERT_EQ(received_.size(), sent.size());
  for (std::size_t i = 0; i < sent.size(); ++i) {
    EXPECT_EQ(inode_of(received_[i]), inode_of(sent[i])) << i;
  }
}

TEST_F(Transport, A_descriptor_never_arrives_after_the_first_byte_that_it_was_sent_with) {
  EXPECT_TRUE(try_send(here_.get(), "before", -1));
  EXPECT_TRUE(try_send(here_.get(), "with", file("one").get()));
  std::string all;
  while (received_.empty()) all += receive(1);
  EXPECT_LE(all.size(), std::strlen("before") + 1);
}

TEST_F(Transport, Several_descriptors_of_one_message_arrive_in_order) {
  const std::array sent{file("one"), file("two"), file("three")};
  char byte = 'x';
  iovec data{&byte, 1};
  alignas(cmsghdr) std::array<char, CMSG_SPACE(3 * sizeof(int))> control{};
  msghdr message{};
  message.msg_iov = &data;
  message.msg_iovlen = 1;
  message.msg_control = control.data();
  message.msg_controllen = control.size();
  cmsghdr* header = CMSG_FIRSTHDR(&message);
  header->cmsg_level = SOL_SOCKET;
  header->cmsg_type = SCM_RIGHTS;
  header->cmsg_len = CMSG_LEN(3 * sizeof(int));
  const std::array fds{sent[0].get(), sent[1].get(), sent[2].get()};
  std::memcpy(CMSG_DATA(header), fds.data(), sizeof fds);
  ASSERT_EQ(::sendmsg(here_.get(), &message, 0), 1);
  EXPECT_EQ(receive(), "x");
  ASSERT_EQ(received_.size(), 3U);
  for (std::size_t i = 0; i < 3; ++i) EXPECT_EQ(inode_of(received_[i]), inode_of(sent[i]));
}

TEST_F(Transport, Descriptors_that_nobody_wants_are_closed) {
  std::array<int, 2> ends{};
  ASSERT_EQ(::pipe2(ends.data(), O_CLOEXEC | O_NONBLOCK), 0);
  const Descriptor reading(ends[0]);
  Descriptor writing(ends[1]);
  EXPECT_EQ(try_send(here_.get(), "take this", writing.get()), 9U);
  writing.reset();
  char byte = 0;
  EXPECT_EQ(::read(reading.get(), &byte, 1), -1) << "it is on its way";
  std::string bytes(100, '\0');
  EXPECT_EQ(try_receive(there_.get(), bytes).value().bytes, 9U);
  EXPECT_EQ(::read(reading.get(), &byte, 1), 0);
}

TEST_F(Transport, Nothing_to_receive_is_no_end) {
  EXPECT_EQ(receive(), "");
  EXPECT_FALSE(last_.closed);
}

TEST_F(Transport, The_end_comes_after_the_last_byte) {
  EXPECT_TRUE(try_send(here_.get(), "bye", -1));
  here_.reset();
  EXPECT_EQ(receive(), "bye");
  EXPECT_FALSE(last_.closed);
  EXPECT_EQ(receive(), "");
  EXPECT_TRUE(last_.closed);
}

TEST_F(Transport, A_full_socket_takes_nothing_and_keeps_the_descriptor) {
  const std::string bytes(4096, 'x');
  while (try_send(here_.get(), bytes, -1).value() > 0) {
  }
  EXPECT_EQ(try_send(here_.get(), "x", file("one").get()), 0U);
  receive_all();
  EXPECT_TRUE(received_.empty());
}

TEST_F(Transport, Sending_to_one_who_has_gone_is_an_error_and_no_signal) {
  there_.reset();
  const auto sent = try_send(here_.get(), "x", -1);
  ASSERT_FALSE(sent);
  EXPECT_EQ(sent.error().os_error, EPIPE);
  EXPECT_EQ(sent.error().code, Errc::connection_lost);
}

TEST_F(Transport, A_reset_connection_is_an_error) {
  EXPECT_TRUE(try_send(there_.get(), "never read", -1));
  here_.reset();
  std::array<char, 8> buffer{};
  const auto got = try_receive(there_.get(), buffer, received_);
  ASSERT_FALSE(got);
  EXPECT_EQ(got.error().os_error, ECONNRESET);
}

TEST_F(Transport, A_descriptor_for_which_there_is_no_room_is_told) {
  EXPECT_TRUE(try_send(here_.get(), "x", file("one").get()));
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &before), 0);
  const Descriptor next(::dup(here_.get()));
  const rlimit none{.rlim_cur = static_cast<rlim_t>(next.get()), .rlim_max = before.rlim_max};
  // Only locals here: a sanitizer needs a descriptor to inspect the fixture.
  const int socket = there_.get();
  std::array<char, 8> buffer{};
  Descriptors received;
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &none), 0);
  const auto got = try_receive(socket, buffer, received);
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &before), 0);
  ASSERT_TRUE(got);
  EXPECT_EQ(got->bytes, 1U);
  EXPECT_TRUE(got->truncated);
  EXPECT_TRUE(received.empty());
}

// ---- Connecting ----

class Connecting : public ::testing::Test {
 protected:
  // Bound and, unless the backlog is negative, listening.
  Descriptor bound(int backlog) const {
    Descriptor socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (!socket) throw std::runtime_error("no socket");
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path_.copy(address.sun_path, sizeof address.sun_path - 1);
    EXPECT_EQ(::bind(socket.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    EXPECT_TRUE(backlog < 0 || ::listen(socket.get(), backlog) == 0);
    return socket;
  }

  int error_of_connecting() const {
    const auto socket = try_connect(path_);
    return socket ? 0 : socket.error().os_error;
  }

  test::TemporaryFolder folder_;
  std::string path_ = folder_ / "s";
};

TEST_F(Connecting, A_connection_neither_blocks_nor_outlives_exec) {
  const Descriptor listener = bound(8);
  const auto socket = try_connect(path_);
  ASSERT_TRUE(socket);
  EXPECT_NE(::fcntl(socket->get(), F_GETFL) & O_NONBLOCK, 0);
  EXPECT_NE(::fcntl(socket->get(), F_GETFD) & FD_CLOEXEC, 0);
  const Descriptor accepted(::accept(listener.get(), nullptr, nullptr));
  EXPECT_TRUE(accepted);
}

TEST_F(Connecting, Where_nobody_listens_the_reason_is_told) {
  EXPECT_EQ(error_of_connecting(), ENOENT);
  bound(-1);
  EXPECT_EQ(error_of_connecting(), ECONNREFUSED);
}

TEST_F(Connecting, A_full_backlog_says_try_again) {
  const Descriptor listener = bound(0);
  const auto first = try_connect(path_);
  ASSERT_TRUE(first);
  EXPECT_EQ(error_of_connecting(), EAGAIN);
}

TEST_F(Connecting, A_path_that_is_too_long_is_refused_and_not_shortened) {
  const auto socket = try_connect(folder_ / std::string(108, 'a'));
  ASSERT_FALSE(socket);
  EXPECT_EQ(socket.error().code, Errc::invalid_params);
}

TEST_F(Connecting, Control_characters_are_escaped_in_the_error) {
  const auto socket = try_connect(folder_ / "\x1b[31m");
  ASSERT_FALSE(socket);
  EXPECT_EQ(socket.error().message,
            "cannot connect to " + (folder_ / "\\x1b[31m") + ": No such file or directory");
}

}  // namespace
}  // namespace locket::proto
