#include "client/socket_search.hpp"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>

#include "proto/transport.hpp"
#include "tests/client/fake_daemon.hpp"

namespace locket::client {
namespace {

using proto::Errc;

TEST(SocketSearch, Takes_the_first_socket_that_answers) {
  test::FakeDaemon daemon;
  ASSERT_TRUE(find_daemon({"/nowhere/a.sock", daemon.socket(), "/nowhere/b.sock"}));
  daemon.accept();
}

TEST(SocketSearch, Finds_it_again_from_another_working_directory_C9) {
  test::FakeDaemon daemon;
  const auto before = std::filesystem::current_path();
  std::filesystem::current_path(daemon.folder());
  const auto found = find_daemon({"./locketd.sock"});
  std::filesystem::current_path(before);
  ASSERT_TRUE(found);
  EXPECT_TRUE(find_daemon({found->path}));
}

TEST(SocketSearch, Names_every_socket_it_tried_and_how_to_start_a_daemon) {
  const auto error = find_daemon({"/nowhere/a.sock", "/nowhere/b.sock"}).error();
  EXPECT_EQ(error.code, Errc::no_daemon);
  EXPECT_EQ(error.os_error, ENOENT);
  EXPECT_EQ(error.message,
            "no locketd answers at /nowhere/a.sock or /nowhere/b.sock (No such file or directory); "
            "start one with `locketd` or `systemctl start locketd.socket`, or set LOCKET_SOCKET; "
            "`locketctl doctor` tells more");
}

TEST(SocketSearch, Gives_each_socket_a_reason_of_its_own_where_they_differ) {
  const test::TemporaryFolder folder;
  const std::string no_socket = folder.file("file");
  const auto error = find_daemon({no_socket, "/nowhere/b.sock"}).error();
  EXPECT_NE(error.message.find(
                no_socket + " (Connection refused) or /nowhere/b.sock (No such file or directory)"),
            std::string::npos)
      << error.message;
}

TEST(SocketSearch, A_path_too_long_for_a_socket_is_an_error_and_not_cut_short) {
  const auto error = find_daemon({"/" + std::string(200, 'x')}).error();
  EXPECT_EQ(error.code, Errc::no_daemon);
  EXPECT_NE(error.message.find("too long"), std::string::npos) << error.message;
}

// UndefinedBehaviorSanitizer itself needs descriptors to inspect objects, and gives false reports
// without them.
#if !defined(__SANITIZE_ADDRESS__)
TEST(SocketSearch, Does_not_blame_the_daemon_where_the_process_has_no_descriptor_left) {
  test::FakeDaemon daemon;
  const proto::Descriptor next(::dup(0));
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &before), 0);
  const rlimit none{static_cast<rlim_t>(next.get()), before.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &none), 0);
  const auto found = find_daemon({daemon.socket()});
  EXPECT_EQ(::setrlimit(RLIMIT_NOFILE, &before), 0);
  EXPECT_EQ(found.error().os_error, EMFILE);
  EXPECT_TRUE(found.error().message.starts_with("cannot connect to locketd: Too many open files"))
      << found.error().message;
}
#endif

TEST(SocketSearch, A_full_backlog_is_a_daemon_that_lives) {
  test::FakeDaemon daemon;
  std::vector<proto::Descriptor> queue;
  for (;;) {
    auto socket = find_daemon({daemon.socket(), "/nowhere/b.sock"});
    if (!socket) {
      EXPECT_EQ(socket.error().os_error, EAGAIN);
      break;
    }
    queue.push_back(std::move(socket->socket));
    ASSERT_LT(queue.size(), 1000U);
  }
}

}  // namespace
}  // namespace locket::client
