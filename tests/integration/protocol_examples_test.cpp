// PROTOCOL.md is true: the real daemon plays each of its examples as written.

#include <gtest/gtest.h>
#include <unistd.h>

#include <iostream>
#include <set>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "proto/codec.hpp"
#include "proto/limits.hpp"
#include "tests/support/daemon.hpp"
#include "tests/support/protocol_script.hpp"

namespace locket::test {
namespace {

const std::string& page() {
  static const std::string text = read_file(LOCKET_SOURCE_DIR "/proto/PROTOCOL.md");
  return text;
}

template <std::size_t... Index>
std::set<std::string> names_of_methods(std::index_sequence<Index...>) {
  return {std::string(proto::method_of(proto::Call(std::in_place_index<Index>)))...};
}

std::set<std::string> methods() {
  return names_of_methods(std::make_index_sequence<std::variant_size_v<proto::Call>>());
}

// The codes that travel.
std::vector<proto::Errc> errors() {
  std::vector<proto::Errc> codes;
  for (int i = 0; i <= static_cast<int>(proto::Errc::file_error); ++i) {
    const auto code = static_cast<proto::Errc>(i);
    if (proto::from_wire_code(proto::wire_code(code)) == code) codes.push_back(code);
  }
  return codes;
}

// All values that this member has in the examples.
void collect(const Json& value, const std::string& member, std::set<std::string>& found) {
  if (value.is_object() && value.contains(member)) found.insert(value[member].get<std::string>());
  if (value.is_structured()) {
    for (const Json& inner : value) collect(inner, member, found);
  }
}

std::set<std::string> in_examples(Step::Kind kind, const std::string& member) {
  std::set<std::string> found;
  for (const Example& example : examples_in(page())) {
    for (const Step& step : example.steps) {
      if (step.kind == kind) collect(Json::parse(step.text, nullptr, false), member, found);
    }
  }
  return found;
}

std::string with_thousands(std::size_t number) {
  std::string digits = std::to_string(number);
  for (auto at = digits.size(); at > 3; at -= 3) digits.insert(at - 3, ",");
  return digits;
}

std::vector<std::string> play(const Example& example) {
  const Daemon daemon;
  const TemporaryFolder folder;
  return ExamplePlayer(daemon.socket(), folder.path()).play(example);
}

// The daemon runs as root, and the player does not.
std::vector<std::string> play_as_another_user(const Example& example) {
  const Daemon daemon;
  const TemporaryFolder folder;
  std::ignore = folder.file("srv/db.lock");
  const int status = in_process_of(kNobody, [&] {
    const auto complaints = ExamplePlayer(daemon.socket(), folder.path()).play(example);
    for (const std::string& complaint : complaints) std::cerr << complaint << '\n';
    return complaints.empty() ? 0 : 1;
  });
  if (status == 0) return {};
  return {"the player ended with status " + std::to_string(status)};
}

TEST(ProtocolPage, Every_example_goes_as_it_says) {
  for (const Example& example : examples_in(page())) {
    SCOPED_TRACE("the example in line " + std::to_string(example.line));
    const bool another_user = example.note == " as another user";
    if (another_user && ::geteuid() != 0) continue;
    EXPECT_EQ(another_user ? play_as_another_user(example) : play(example),
              std::vector<std::string>{});
  }
}

TEST(ProtocolPage, Every_method_has_an_example) {
  EXPECT_EQ(in_examples(Step::Kind::client_says, "method"), [] {
    auto names = methods();
    names.insert("steal");  // the unknown one
    return names;
  }());
}

TEST(ProtocolPage, Every_error_has_an_example_and_a_line_in_the_table) {
  const auto shown = in_examples(Step::Kind::daemon_says, "name");
  for (const proto::Errc code : errors()) {
    const std::string name(proto::name_of(code));
    const std::string row = "| " + std::to_string(proto::wire_code(code)) + " | `" + name + "` |";
    EXPECT_NE(page().find(row), std::string::npos) << row;
    // No client action is known to cause it.
    EXPECT_TRUE(shown.contains(name) || code == proto::Errc::internal_error) << name;
  }
}

TEST(ProtocolPage, The_table_of_limits_is_true) {
  for (const std::size_t limit :
       {proto::kMaxLineBytes, proto::kMaxPathBytes - 1, proto::kMaxReasonBytes,
        proto::kMaxCommandBytes, proto::kMaxRequestsPerSession, proto::kListPageRows,
        proto::kMaxHoldersInRefusal, proto::kRefusalTextBytes, proto::kMaxMembers,
        proto::kMaxDescriptorsAhead}) {
    const auto limits = page().substr(page().find("## Limits"));
    EXPECT_NE(limits.find(' ' + with_thousands(limit) + ' '), std::string::npos) << limit;
  }
}

TEST(ProtocolPage, Netcat_is_a_client) {
  if (run({{"sh", "-c", "command -v nc"}}).status != 0) GTEST_SKIP() << "there is no nc";
  const Daemon daemon;
  const TemporaryFolder folder;
  const std::string path = folder.file("srv/db.lock");
  std::string script = block_in(page(), "sh");
  script.replace(script.find("/srv/"), 5, folder / "srv/");

  Child shell({{"sh", "-c", script}, {{"LOCKET_SOCKET", daemon.socket()}}});
  EXPECT_EQ(Json::parse(shell.line())["id"], 1);
  EXPECT_TRUE(Json::parse(shell.line())["result"].contains("token"));
  EXPECT_FALSE(kernel_admits(path));

  EXPECT_EQ(shell.finish().status, 0);
  EXPECT_TRUE(eventually([&] { return kernel_admits(path); }));
}

}  // namespace
}  // namespace locket::test
