// Paths that name nothing that can be locked, and paths that would harm whoever prints them.

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <locket/locket.hpp>

#include "tests/integration/bad_input.hpp"

namespace locket::test {
namespace {

// The message of the exception that the library throws.
template <typename Expected, typename Body>
std::string message_of(const Body& body) {
  try {
    body();
  } catch (const Expected& error) {
    return error.what();
  } catch (const std::exception& error) {
    return std::string("of another kind: ") + error.what();
  }
  return "nothing was thrown";
}

class BadPaths : public BadInput {
 protected:
  void SetUp() override {
    // The library keeps its connection, so make it now: it then exists before and after the test.
    ::setenv("LOCKET_SOCKET", daemon.socket().c_str(), 1);
    {
      const guard held{file_lock(path)};
    }
    others_ = 1;
    BadInput::SetUp();
  }

  // Opening must not wait: a FIFO's writer never comes.
  void expect_file_error(const std::string& name, const std::string& fact) {
    const auto begin = Clock::now();
    const std::string message =
        message_of<file_error>([&] { file_lock(name, std::chrono::seconds(60)).acquire(); });
    EXPECT_LT(seconds_since(begin), 5);
    EXPECT_NE(message.find(fact), std::string::npos) << message;
    EXPECT_NE(message.find(name), std::string::npos) << message;

    RawClient client = stranger();
    const Json error = client.error(client.start("acquire", {{"path", name}}));
    EXPECT_EQ(name_of(error), "bad_file");
    EXPECT_NE(error["message"].get<std::string>().find(fact), std::string::npos) << error;
  }

  // Acquires by a path alone.
  Json refusal_of(const Json& name) {
    RawClient client = stranger();
    return client.error(client.start("acquire", {{"path", name}}));
  }
};

TEST_F(BadPaths, A_missing_folder_is_an_error_that_names_it_C12) {
  expect_file_error(folder / "no/such.lock", "the folder " + (folder / "no") + " does not exist");
}

TEST_F(BadPaths, A_FIFO_is_an_error) {
  ASSERT_EQ(::mkfifo((folder / "fifo").c_str(), 0600), 0);
  expect_file_error(folder / "fifo", "it is a FIFO");
}

TEST_F(BadPaths, A_socket_is_an_error) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  (folder / "socket").copy(address.sun_path, sizeof address.sun_path - 1);
  const proto::Descriptor socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  ASSERT_EQ(::bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
  expect_file_error(folder / "socket", "it is a socket");
}

TEST_F(BadPaths, A_device_is_an_error) {
  expect_file_error("/dev/null", "it is a character device");
}

TEST_F(BadPaths, A_file_that_one_may_not_open_is_an_error) {
  std::filesystem::permissions(path, std::filesystem::perms::none);
  Command command = program();
  command.user = ordinary_user();  // root may open anything
  Child child(command);
  EXPECT_TRUE(says(child.ask("lock " + path), "file_error"));
  std::filesystem::permissions(path, std::filesystem::perms{0600});
}

TEST_F(BadPaths, A_folder_that_one_may_not_write_in_is_an_error_that_names_it) {
  Command command = program();
  command.user = ordinary_user();
  Child child(command);
  EXPECT_TRUE(says(child.ask("lock /proc/locket.lock"), "file_error"));
}

TEST_F(BadPaths, A_path_of_5000_bytes_is_an_error) {
  const std::string name = "/tmp/" + std::string(4'995, 'x');
  const std::string message =
      message_of<invalid_argument_error>([&] { file_lock(name).acquire(); });
  EXPECT_NE(message.find("too long: 5000 bytes"), std::string::npos) << message;
  EXPECT_LT(message.size(), 300U);

  const Json error = refusal_of(name);
  EXPECT_EQ(name_of(error), "invalid_params");
  EXPECT_NE(error["message"].get<std::string>().find("too long"), std::string::npos) << error;
  EXPECT_EQ(name_of(refusal_of(std::string(16'385, 'x'))), "invalid_params");
}

TEST_F(BadPaths, A_path_with_a_name_of_300_bytes_is_an_error) {
  const std::string name = folder / std::string(300, 'x');
  EXPECT_NE(message_of<file_error>([&] { file_lock(name).acquire(); }).find("too long"),
            std::string::npos);
  EXPECT_EQ(name_of(refusal_of(name)), "bad_file");
}

TEST_F(BadPaths, An_empty_path_is_an_error) {
  EXPECT_NE(message_of<invalid_argument_error>([] { file_lock("").acquire(); }).find("empty"),
            std::string::npos);
  EXPECT_EQ(name_of(refusal_of("")), "invalid_params");
}

TEST_F(BadPaths, A_NUL_byte_is_an_error) {
  const std::string name = path + std::string(1, '\0') + "more";
  EXPECT_NE(message_of<invalid_argument_error>([&] { file_lock(name).acquire(); }).find("NUL"),
            std::string::npos);
  EXPECT_EQ(name_of(refusal_of(path + "\\x00more")), "invalid_params");
}

TEST_F(BadPaths, An_escape_that_is_none_is_an_error_for_a_path_alone) {
  for (const char* escape : {"\\", "\\q", "\\x", "\\x1", "\\xgg", "\\u0041"}) {
    EXPECT_EQ(name_of(refusal_of(path + escape)), "invalid_params") << escape;
  }
}

// ---- Newlines, escape codes, broken UTF-8 ----

TEST_F(BadPaths, Harmful_bytes_come_out_escaped_in_lists_refusals_and_messages) {
  const std::string name = folder / "a\nb\t\x1b[2J\\ \xff \u202e\u00e4.lock";
  const std::string escaped = (folder / "a\\nb\\t\\x1b[2J\\\\ \\xff \\xe2\\x80\\xae\u00e4.lock");
  file_lock lock(name);
  lock.set_reason("why\n\x1b[31m\xfe");
  lock.acquire();
  EXPECT_TRUE(std::filesystem::exists(name));
  EXPECT_EQ(lock.path(), name);

  const Json row = ann.list().at(0);
  EXPECT_EQ(row["path"], escaped);
  EXPECT_EQ(row["reason"], "why\\n\\x1b[31m\\xfe");

  const Json refusal = bob.error(bob.start("acquire", {{"path", escaped}, {"timeout", 0}}));
  EXPECT_EQ(name_of(refusal), "timed_out");
  EXPECT_EQ(refusal["message"], escaped + " is locked");
  EXPECT_EQ(refusal["data"]["holders"][0]["path"], escaped);

  const std::string message =
      message_of<timeout_error>([&] { file_lock(name, std::chrono::seconds(0)).acquire(); });
  EXPECT_NE(message.find(escaped), std::string::npos) << message;
  EXPECT_EQ(message.find('\n'), std::string::npos) << message;
  lock.release();
}

TEST_F(BadPaths, A_reason_with_a_NUL_byte_is_refused_and_not_cut) {
  file_lock lock(path);
  const std::string message = message_of<invalid_argument_error>(
      [&] { lock.set_reason(std::string("first\0second", 12)); });
  EXPECT_EQ(message, "the reason has a NUL byte in it");
}

TEST_F(BadPaths, Harmful_bytes_come_out_escaped_where_the_client_sent_them_raw) {
  RawClient client = stranger();
  const proto::Descriptor file = open_file(path);
  const Id id =
      client.start("acquire", {{"path", "a\n\u001b[2J\u202e"}, {"reason", "\u0007"}}, {file.get()});
  client.granted(id);
  const Json row = ann.list().at(0);
  EXPECT_EQ(row["path"], "a\\n\\x1b[2J\\xe2\\x80\\xae");
  EXPECT_EQ(row["reason"], "\\x07");
}

TEST_F(BadPaths, A_path_alone_is_unescaped_to_the_bytes_that_it_means) {
  const std::string name = folder / "a\n\xff\\.lock";
  const Token token = ann.granted(ann.start("acquire", {{"path", folder / "a\\n\\xff\\\\.lock"}}));
  EXPECT_TRUE(std::filesystem::exists(name));
  EXPECT_FALSE(kernel_admits(name));
  ann.release(token);
}

}  // namespace
}  // namespace locket::test
