#include "daemon/journal.hpp"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <array>
#include <chrono>
#include <optional>
#include <string>

#include "tests/support/eventually.hpp"
#include "tests/unit/temporary_folder.hpp"

namespace locketd::test {
namespace {

// Plays journald.
class JournalTest : public ::testing::Test {
 protected:
  void listen() {
    socket_.reset(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path.copy(address.sun_path, sizeof address.sun_path - 1);
    ::unlink(path.c_str());
    ASSERT_EQ(::bind(socket_.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  }

  std::optional<std::string> entry() {
    std::array<char, 65'536> bytes{};
    const ssize_t length = ::recv(socket_.get(), bytes.data(), bytes.size(), 0);
    if (length < 0) return std::nullopt;
    return std::string(bytes.data(), static_cast<std::size_t>(length));
  }

  locket::test::TemporaryFolder folder_;
  const std::string path = folder_ / "socket";
  Journal journal{path};
  locket::proto::Descriptor socket_;
};

TEST_F(JournalTest, An_entry_is_a_datagram_of_fields) {
  listen();
  const std::array fields{log::Field{"LOCKET_PID", "4242"}, log::Field{"LOCKET_PATH", "/a = b"}};
  ASSERT_TRUE(journal.try_send(4, "lock lost", fields));
  EXPECT_EQ(entry(),
            "PRIORITY=4\nSYSLOG_IDENTIFIER=locketd\nLOCKET_PID=4242\nLOCKET_PATH=/a = b\n"
            "MESSAGE=lock lost\n");
}

TEST_F(JournalTest, No_text_can_begin_a_field_of_its_own) {
  listen();
  const std::array fields{log::Field{"LOCKET_PATH", "/a\nLOCKET_UID=0"}};
  ASSERT_TRUE(journal.try_send(4, "lost\nPRIORITY=0", fields));
  EXPECT_EQ(entry(),
            "PRIORITY=4\nSYSLOG_IDENTIFIER=locketd\nLOCKET_PATH=/a\\nLOCKET_UID=0\n"
            "MESSAGE=lost\\nPRIORITY=0\n");
}

TEST_F(JournalTest, One_that_is_not_there_or_full_refuses_at_once_C15) {
  EXPECT_FALSE(journal.try_send(6, "to nobody", {}));
  listen();
  int taken = 0;
  while (taken < 100'000 && journal.try_send(6, "and nobody reads", {})) ++taken;
  EXPECT_LT(taken, 100'000) << "it is never full";
  EXPECT_GT(taken, 0);
  ASSERT_TRUE(entry());
  EXPECT_TRUE(journal.try_send(6, "there is room again", {}));
}

TEST_F(JournalTest, One_that_comes_back_is_found) {
  listen();
  ASSERT_TRUE(journal.try_send(6, "to the first", {}));
  socket_.reset();
  EXPECT_FALSE(journal.try_send(6, "to nobody", {}));
  listen();
  EXPECT_TRUE(journal.try_send(6, "to the second", {}));
  EXPECT_NE(entry()->find("second"), std::string::npos);
}

}  // namespace
}  // namespace locketd::test
