// What one pass of settle() does, and how long a recovery lasts, with a fake kernel and fake
// sessions.

#include "daemon/dispatch.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>

#include <algorithm>
#include <chrono>
#include <deque>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "proto/codec.hpp"
#include "proto/limits.hpp"
#include "tests/fuzz/fake_kernel.hpp"

namespace locketd {
namespace {

namespace proto = locket::proto;

// dispatch_settle.cpp
constexpr std::size_t kHeardAtOnce = 256;

class Passes : public ::testing::Test, public Sessions {
 protected:
  Passes() {
    kernel.prompt = true;
    kernel.on_adopt = [](Ticket, const FileId&) {};
    kernel.on_discard = [](Ticket) {};
  }

  // Implements Sessions for dispatch.
  Instant now() const override {
    return {time, std::chrono::system_clock::time_point(time.time_since_epoch())};
  }
  void send(SessionId session, std::string_view line) override {
    lines[session].emplace_back(line);
  }
  // Counts in lines.
  std::uint64_t said(SessionId session) const override {
    const auto found = inbox.find(session);
    return found == inbox.end() ? 0 : taken_from(session) + found->second.size();
  }
  // A line at a time.
  bool drain(SessionId session, std::uint64_t upto) override {
    ++drained;
    heard.insert(session);
    auto& waiting = inbox[session];
    if (!waiting.empty()) {
      ++taken[session];
      const std::string line = std::move(waiting.front());
      waiting.pop_front();
      say(session, line);
    }
    return taken_from(session) >= upto;
  }
  [[nodiscard]] std::uint64_t taken_from(SessionId session) const {
    const auto found = taken.find(session);
    return found == taken.end() ? 0 : found->second;
  }
  void settle_later() override { settle_wanted = true; }
  bool is_behind(SessionId) const override { return false; }
  std::size_t max_kept_locks() const override { return 0; }
  bool keep(SessionId, const std::string&, const std::vector<int>&) override { return true; }

  void open(SessionId session) {
    dispatch.opened(session, peers[session]);
    say(session, encoded({0, proto::Hello{proto::kProtocolVersion, {}, {}}}));
  }
  void say(SessionId session, std::string line, bool with_file = false) {
    proto::Descriptors files;
    if (with_file) files.emplace_back(::fcntl(file.get(), F_DUPFD_CLOEXEC, 0));
    EXPECT_TRUE(dispatch.received(session, line, files));
  }
  static std::string encoded(const proto::Request& request) {
    std::string line = proto::encode(request);
    line.pop_back();  // the line feed
    return line;
  }
  void acquire(SessionId session, Mode mode, std::optional<proto::Seconds> timeout = {}) {
    say(session, encoded({1, proto::Acquire{"/file", mode, timeout, {}}}), true);
  }
  [[nodiscard]] Token token_of(SessionId session) const {
    const auto reply = proto::decode_reply(lines.at(session).back());
    return std::get<proto::Grant>(reply->answer).token;
  }

  // Settles until that session gets an answer; returns the most sessions that were drained in one
  // pass.
  std::size_t settle_until_told(SessionId session) {
    const std::size_t before = lines[session].size();
    std::size_t most = 0;
    for (int pass = 0; pass < 100 && lines[session].size() == before; ++pass) {
      drained = 0;
      settle_wanted = false;
      dispatch.settle();
      most = std::max(most, drained);
    }
    EXPECT_EQ(lines[session].size(), before + 1);
    return most;
  }

  Monotonic time{std::chrono::hours(1)};
  const proto::Descriptor file{::memfd_create("lock", MFD_CLOEXEC)};
  locket::fuzz::FakeKernel kernel;
  Dispatch dispatch{*this, kernel, "/test.sock"};
  std::map<SessionId, Peer> peers;
  std::map<SessionId, std::vector<std::string>> lines;
  std::map<SessionId, std::deque<std::string>> inbox;  // not read yet
  std::map<SessionId, std::uint64_t> taken;            // so many lines
  std::set<SessionId> heard;
  std::size_t drained = 0;
  bool settle_wanted = false;
};

constexpr SessionId kHolders = 1000;
constexpr SessionId kOther = kHolders + 1;

TEST_F(Passes, Hear_all_holders_before_a_refusal_and_never_many_at_once_C15) {
  for (SessionId session = 1; session <= kHolders; ++session) {
    open(session);
    acquire(session, Mode::shared);
  }
  open(kOther);
  acquire(kOther, Mode::exclusive, proto::Seconds(0));
  EXPECT_EQ(settle_until_told(kOther), kHeardAtOnce);
  EXPECT_EQ(heard.size(), kHolders);
  EXPECT_NE(lines[kOther].back().find("timed_out"), std::string::npos);
}

TEST_F(Passes, Hear_all_holders_before_a_list_and_never_many_at_once_C15) {
  for (SessionId session = 1; session <= kHolders; ++session) {
    open(session);
    acquire(session, Mode::shared);
  }
  open(kOther);
  say(kOther, encoded({1, proto::List{}}));
  EXPECT_EQ(settle_until_told(kOther), kHeardAtOnce);
  EXPECT_EQ(heard.size(), kHolders);
}

TEST_F(Passes, Whoever_let_go_before_is_heard_in_time_C7) {
  for (SessionId session = 1; session <= kHolders; ++session) {
    open(session);
    acquire(session, Mode::shared);
    inbox[session] = {encoded({std::nullopt, proto::Release{token_of(session)}})};
  }
  open(kOther);
  acquire(kOther, Mode::exclusive, proto::Seconds(0));
  settle_until_told(kOther);
  EXPECT_GT(token_of(kOther), 0);
  for (SessionId session = 1; session <= kOther; ++session) dispatch.closed(session);
}

// A portion in each pass, so that it cannot keep others waiting.
TEST_F(Passes, Who_has_much_to_say_is_heard_to_the_end_C7_C15) {
  constexpr std::size_t kWords = 20;
  open(1);
  acquire(1, Mode::exclusive);
  for (std::size_t i = 0; i < kWords; ++i) inbox[1].push_back(encoded({2 + i, proto::Status{}}));
  inbox[1].push_back(encoded({std::nullopt, proto::Release{token_of(1)}}));
  open(kOther);
  acquire(kOther, Mode::exclusive, proto::Seconds(0));
  EXPECT_EQ(settle_until_told(kOther), 1U);
  EXPECT_GT(token_of(kOther), 0);
  open(kOther + 1);
  inbox[kOther] = {encoded({2, proto::Status{}}), encoded({3, proto::Status{}}),
                   encoded({std::nullopt, proto::Release{token_of(kOther)}})};
  say(kOther + 1, encoded({1, proto::List{}}));
  EXPECT_EQ(settle_until_told(kOther + 1), 1U);
  EXPECT_EQ(lines[kOther + 1].back().find("/file"), std::string::npos);
  for (const SessionId session : {SessionId{1}, kOther, kOther + 1}) dispatch.closed(session);
}

// ---- Recovery ----

constexpr std::chrono::milliseconds kRecovery{250};  // server.cpp
constexpr std::chrono::milliseconds kStep{80};  // less than the recovery waits between two reclaims

class Recovering : public Passes {
 protected:
  Recovering() { dispatch.recover_until(time + kRecovery); }

  // A session that held that place in the queue under the previous daemon.
  void come_back(SessionId session, Ticket place) {
    open(session);
    proto::Reclaim reclaim;
    reclaim.path = "/file";
    reclaim.ticket = place;
    say(session, encoded({1, std::move(reclaim)}), true);
  }
  void let_pass(std::chrono::milliseconds some_time) {
    time += some_time;
    dispatch.attend();
    dispatch.settle();
  }
  [[nodiscard]] bool has_lock(SessionId session) const {
    const auto reply = proto::decode_reply(lines.at(session).back());
    return std::holds_alternative<proto::Grant>(reply->answer);
  }
};

TEST_F(Recovering, Goes_on_while_one_after_the_other_comes_back_C9) {
  constexpr SessionId kMany = 8;
  for (SessionId session = 1; session <= kMany; ++session) {
    come_back(session, kMany - session + 1);
    let_pass(kStep);
  }
  EXPECT_FALSE(has_lock(1));
  let_pass(std::chrono::milliseconds(100) - kStep);
  EXPECT_TRUE(has_lock(kMany));
  for (SessionId session = 1; session < kMany; ++session) EXPECT_FALSE(has_lock(session));
}

TEST_F(Recovering, Ends_in_time_where_nobody_comes_back_C9) {
  come_back(1, 1);
  let_pass(kRecovery - std::chrono::milliseconds(1));
  EXPECT_FALSE(has_lock(1));
  let_pass(std::chrono::milliseconds(1));
  EXPECT_TRUE(has_lock(1));
}

TEST_F(Recovering, Ends_in_time_whoever_pretends_to_come_back_C15) {
  come_back(1, 1);
  const Monotonic latest = time + kRecovery + std::chrono::milliseconds(500);
  for (SessionId session = 2; time < latest; ++session) {
    EXPECT_FALSE(has_lock(1));
    come_back(session, session);
    let_pass(std::min(kStep, std::chrono::ceil<std::chrono::milliseconds>(latest - time)));
  }
  EXPECT_TRUE(has_lock(1));
}

}  // namespace
}  // namespace locketd
