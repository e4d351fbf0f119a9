#include "proto/socket_path.hpp"

#include <gtest/gtest.h>

#include <cstdlib>
#include <optional>
#include <string>
#include <vector>

namespace locket::proto {
namespace {

using Paths = std::vector<std::string>;

// Starts each test with neither variable set, and restores them afterwards.
class SocketPath : public ::testing::Test {
 public:
  SocketPath() { set(nullptr, nullptr); }
  ~SocketPath() override { set(pointer(socket_), pointer(runtime_)); }

 protected:
  static void set(const char* socket, const char* runtime) {
    set_one("LOCKET_SOCKET", socket);
    set_one("XDG_RUNTIME_DIR", runtime);
  }

 private:
  using Saved = std::optional<std::string>;
  static Saved saved(const char* name) {
    const char* value = std::getenv(name);
    return value == nullptr ? Saved() : Saved(value);
  }
  static const char* pointer(const Saved& value) { return value ? value->c_str() : nullptr; }
  static void set_one(const char* name, const char* value) {
    value != nullptr ? ::setenv(name, value, 1) : ::unsetenv(name);
  }

  Saved socket_ = saved("LOCKET_SOCKET");
  Saved runtime_ = saved("XDG_RUNTIME_DIR");
};

TEST_F(SocketPath, Without_variables_there_is_the_machines) {
  EXPECT_EQ(socket_candidates(), Paths{"/run/locket/locketd.sock"});
}

TEST_F(SocketPath, The_users_own_comes_before_the_machines) {
  set(nullptr, "/run/user/1000");
  EXPECT_EQ(socket_candidates(),
            (Paths{"/run/user/1000/locket/locketd.sock", "/run/locket/locketd.sock"}));
}

TEST_F(SocketPath, LOCKET_SOCKET_is_the_only_one_where_it_is_set) {
  set("/tmp/mine.sock", "/run/user/1000");
  EXPECT_EQ(socket_candidates(), Paths{"/tmp/mine.sock"});
}

TEST_F(SocketPath, An_empty_variable_is_not_set) {
  set("", "");
  EXPECT_EQ(socket_candidates(), Paths{"/run/locket/locketd.sock"});
}

TEST_F(SocketPath, A_path_must_fit_into_a_socket_address) {
  EXPECT_TRUE(check_socket_path(std::string(107, 'a')));
  const auto checked = check_socket_path(std::string(108, 'a'));
  ASSERT_FALSE(checked);
  EXPECT_EQ(checked.error().code, Errc::invalid_params);
  EXPECT_NE(checked.error().message.find("108 bytes, where 107 are allowed"), std::string::npos);
}

TEST_F(SocketPath, An_empty_path_is_refused) {
  const auto checked = check_socket_path("");
  ASSERT_FALSE(checked);
  EXPECT_EQ(checked.error().message, "the path of the socket is empty");
}

TEST_F(SocketPath, Control_characters_are_escaped_in_the_error) {
  const auto checked = check_socket_path("\x1b[31m" + std::string(200, 'a'));
  ASSERT_FALSE(checked);
  EXPECT_NE(checked.error().message.find("\\x1b[31m"), std::string::npos);
  EXPECT_EQ(checked.error().message.find('\x1b'), std::string::npos);
}

}  // namespace
}  // namespace locket::proto
