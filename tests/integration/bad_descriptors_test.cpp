// Descriptors through which nothing can be locked, or that were not asked for.

#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <filesystem>

#include "tests/integration/bad_input.hpp"

namespace locket::test {
namespace {

// SCM_MAX_FD: the kernel passes no more in one message.
constexpr std::size_t kMostAtOnce = 253;

class BadDescriptors : public BadInput {
 protected:
  // The request gets an error, and the session goes on.
  static void expect_bad_file(RawClient& client, int descriptor) {
    const Id id = client.start("acquire", {{"path", "/some/where"}}, {descriptor});
    const Json error = client.error(id);
    EXPECT_EQ(name_of(error), "bad_file");
    EXPECT_NE(error["message"].get<std::string>().find("/some/where"), std::string::npos);
    client.call("status");
  }

  std::vector<int> many(std::size_t count) { return std::vector<int>(count, file_.get()); }

 private:
  proto::Descriptor file_ = open_file(path);
};

TEST_F(BadDescriptors, An_acquire_with_none_is_an_error) {
  RawClient client = stranger();
  // A path alone must be absolute; other users' are refused anyway.
  EXPECT_EQ(name_of(client.error(client.start("acquire", {{"path", "some.lock"}}))),
            "invalid_params");
  EXPECT_EQ(name_of(client.error(client.start("acquire"))), "invalid_params");
  client.call("status");
}

TEST_F(BadDescriptors, An_acquire_with_nine_ends_the_session) {
  RawClient client = stranger();
  client.start("acquire", {{"path", path}}, many(9));
  EXPECT_TRUE(client.next()->contains("result"));
  expect_end(client, "invalid_request");
  EXPECT_TRUE(eventually([&] { return kernel_admits(path); }));
}

TEST_F(BadDescriptors, As_many_as_the_kernel_passes_end_the_session) {
  RawClient client = stranger();
  client.start("status", {}, many(kMostAtOnce));
  EXPECT_TRUE(client.is_ended_by_daemon());
}

TEST_F(BadDescriptors, Those_with_another_request_end_the_session) {
  for (const char* method : {"status", "list", "release", "no such method"}) {
    RawClient client = stranger();
    client.start(method, Json::object(), many(1));
    auto last_words = client.next();
    while (last_words && !last_words->at("id").is_null()) last_words = client.next();
    ASSERT_TRUE(last_words) << method;
    EXPECT_EQ(name_of(last_words->at("error")), "invalid_request");
    EXPECT_TRUE(client.is_ended_by_daemon());
  }
}

TEST_F(BadDescriptors, Those_with_an_empty_or_broken_line_end_the_session) {
  for (const char* line : {"\n", "{\n", "null\n"}) {
    RawClient client = stranger();
    client.send_bytes(line, many(1));
    EXPECT_TRUE(client.next());
    expect_end(client, "invalid_request");
  }
}

TEST_F(BadDescriptors, Those_with_an_unfinished_line_are_bounded) {
  RawClient client = stranger();
  const std::size_t before = descriptors().size();
  std::size_t most = 0;
  bool open = true;
  for (int i = 0; open && i < 100; ++i) {
    open = client.send_bytes("{", many(kMostAtOnce));
    EXPECT_TRUE(ann.call("status").is_object());
    most = std::max(most, descriptors().size());
  }
  EXPECT_FALSE(open);
  EXPECT_LE(most, before + 3 * kMostAtOnce);
}

TEST_F(BadDescriptors, Those_of_a_refused_acquire_are_closed_and_the_next_one_gets_its_own) {
  RawClient client = stranger();
  const proto::Descriptor other = open_file(folder.file("other.lock"));
  for (const Json& params : {Json{{"path", path}, {"timeout", -1}}, Json{{"path", 5}},
                             Json{{"path", path}, {"unknown", 1}}}) {
    EXPECT_EQ(name_of(client.error(client.start("acquire", params, {other.get()}))),
              "invalid_params");
  }
  const Token token = client.lock(path);
  EXPECT_FALSE(kernel_admits(path));
  EXPECT_TRUE(kernel_admits(folder / "other.lock"));
  client.release(token);
}

TEST_F(BadDescriptors, Those_of_several_requests_may_come_in_one_message) {
  RawClient client = stranger();
  const proto::Descriptor one = open_file(folder.file("one.lock"));
  const proto::Descriptor two = open_file(folder.file("two.lock"));
  const auto line = [](int id, const char* name) {
    return Json{{"jsonrpc", "2.0"}, {"id", id}, {"method", "acquire"}, {"params", {{"path", name}}}}
               .dump() +
           '\n';
  };
  client.send_bytes(line(101, "one") + line(102, "two"), {one.get(), two.get()});
  client.release(client.granted(101));
  EXPECT_TRUE(kernel_admits(folder / "one.lock"));
  EXPECT_FALSE(kernel_admits(folder / "two.lock"));
  client.release(client.granted(102));
}

// ---- What cannot be locked ----

TEST_F(BadDescriptors, One_of_O_PATH_is_a_bad_file) {
  RawClient client = stranger();
  const proto::Descriptor file(::open(path.c_str(), O_PATH | O_CLOEXEC));
  expect_bad_file(client, file.get());
}

TEST_F(BadDescriptors, A_pipe_or_FIFO_is_a_bad_file) {
  RawClient client = stranger();
  std::array<int, 2> ends{};
  ASSERT_EQ(::pipe2(ends.data(), O_CLOEXEC), 0);
  const proto::Descriptor output(ends[0]);
  const proto::Descriptor input(ends[1]);
  expect_bad_file(client, output.get());
  expect_bad_file(client, input.get());
}

TEST_F(BadDescriptors, A_socket_is_a_bad_file) {
  RawClient client = stranger();
  const proto::Descriptor socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  expect_bad_file(client, socket.get());
  expect_bad_file(client, client.descriptor());
}

TEST_F(BadDescriptors, A_device_is_a_bad_file) {
  RawClient client = stranger();
  const proto::Descriptor device(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  expect_bad_file(client, device.get());
}

TEST_F(BadDescriptors, What_has_no_place_in_a_file_system_is_a_bad_file) {
  RawClient client = stranger();
  const proto::Descriptor event(::eventfd(0, EFD_CLOEXEC));
  expect_bad_file(client, event.get());
}

TEST_F(BadDescriptors, An_unlinked_file_can_be_locked_and_harms_nobody) {
  RawClient client = stranger();
  const proto::Descriptor file = open_file(folder.file("gone.lock"));
  std::filesystem::remove(folder / "gone.lock");
  client.granted(client.start("acquire", {{"path", "gone"}}, {file.get()}));
}

TEST_F(BadDescriptors, One_description_for_two_requests_harms_only_its_session) {
  RawClient client = stranger();
  const proto::Descriptor file = open_file(path);
  const Id first = client.start("acquire", {{"path", path}}, {file.get()});
  const Id second = client.start("acquire", {{"path", path}}, {file.get()});
  client.release(client.granted(first));
  client.release(client.granted(second));
  EXPECT_TRUE(kernel_admits(path));
}

}  // namespace
}  // namespace locket::test
