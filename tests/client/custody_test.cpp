#include "client/custody.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>
#include <vector>

namespace locket::client {
namespace {

constexpr proto::FileId kFile{1, 100};
constexpr proto::FileId kOther{1, 200};

void add(Custody& custody, proto::FileId file, proto::Token token) {
  auto claim = std::make_unique<Claim>();
  claim->file.id = file;
  custody.add(claim, token);
}

proto::Token token_of(const std::optional<Hold>& hold) {
  return hold ? hold->token : 0;
}

class CustodyTest : public testing::Test {
 protected:
  void add(Custody::Handle* owner, proto::FileId file, proto::Token token) {
    locket::client::add(custody, file, token);
    ASSERT_TRUE(custody.adopt(token, owner));
  }

  Custody custody;
  Custody::Handle handle;
  Custody::Handle another;
};

TEST_F(CustodyTest, Holds_are_given_back_through_their_handle_last_one_first) {
  add(&handle, kFile, 1);
  add(&handle, kFile, 2);
  EXPECT_EQ(custody.peek(&handle), 2U);
  EXPECT_EQ(token_of(custody.take(&handle)), 2U);
  EXPECT_EQ(token_of(custody.take(&handle)), 1U);
  EXPECT_FALSE(custody.take(&handle));
}

TEST_F(CustodyTest, A_thread_gets_its_own_hold_before_others_C5) {
  add(&handle, kFile, 1);
  std::thread([&] { add(&handle, kFile, 2); }).join();
  EXPECT_EQ(token_of(custody.take(&handle)), 1U);
  EXPECT_EQ(token_of(custody.take(&handle)), 2U);
}

TEST_F(CustodyTest, Another_handle_reaches_the_hold_by_its_file_alone_C5) {
  add(&handle, kFile, 1);
  EXPECT_FALSE(custody.take(&another));
  EXPECT_FALSE(custody.take(kOther));
  EXPECT_EQ(custody.peek(kFile), 1U);
  EXPECT_EQ(token_of(custody.take(kFile)), 1U);
  EXPECT_FALSE(custody.take(kFile));
}

TEST_F(CustodyTest, Of_threads_that_race_for_one_hold_exactly_one_gets_it_C5) {
  constexpr int kRounds = 200;
  constexpr int kThreads = 4;
  for (int round = 0; round < kRounds; ++round) {
    add(&handle, kFile, 1);
    std::atomic<int> winners = 0;
    std::vector<std::thread> threads;
    threads.reserve(kThreads);
    for (int i = 0; i < kThreads; ++i) {
      threads.emplace_back([&, by_file = i % 2 == 0] {
        if (by_file ? custody.take(kFile) : custody.take(&handle)) ++winners;
      });
    }
    for (auto& thread : threads) thread.join();
    ASSERT_EQ(winners, 1);
  }
}

TEST_F(CustodyTest, A_grant_that_nobody_has_adopted_yet_is_found_by_its_token_alone_C5) {
  locket::client::add(custody, kFile, 1);
  EXPECT_EQ(custody.peek(kFile), 0U);
  EXPECT_FALSE(custody.take(kFile));
  EXPECT_TRUE(custody.holds_any());
  EXPECT_EQ(custody.tokens(), std::vector<proto::Token>{1});
  EXPECT_EQ(token_of(custody.take(proto::Token{1})), 1U);
  EXPECT_FALSE(custody.holds_any());
}

TEST_F(CustodyTest, An_adopted_hold_is_its_handles_alone) {
  add(&handle, kFile, 1);
  EXPECT_FALSE(custody.take(proto::Token{1}));
  EXPECT_FALSE(custody.adopt(1, &another));
}

TEST_F(CustodyTest, A_lost_hold_is_reported_to_its_thread_and_not_counted_as_held) {
  add(&handle, kFile, 1);
  add(&handle, kFile, 2);
  EXPECT_EQ(custody.lose(2), &handle);
  EXPECT_EQ(custody.lose(2), nullptr) << "once";
  EXPECT_EQ(custody.peek(&handle), 0U);
  EXPECT_EQ(custody.tokens(), std::vector<proto::Token>{1});
  EXPECT_TRUE(custody.take(&handle).value().lost);
  EXPECT_EQ(custody.peek(&handle), 1U);
  EXPECT_FALSE(custody.take(&handle).value().lost);
  EXPECT_FALSE(custody.peek(&handle));
  EXPECT_EQ(custody.peek(kFile), 0U);
  EXPECT_FALSE(custody.holds_any());
}

// Its scope ends, and must not end another thread's hold.
TEST_F(CustodyTest, A_thread_whose_hold_was_lost_does_not_get_anothers_C5_C6) {
  add(&handle, kFile, 1);
  custody.lose(1);
  std::thread([&] { add(&handle, kFile, 2); }).join();
  EXPECT_EQ(custody.peek(&handle), 0U);
  const auto own = custody.take(&handle);
  ASSERT_TRUE(own);
  EXPECT_TRUE(own->lost);
  EXPECT_EQ(own->token, 1U);
  EXPECT_EQ(custody.peek(&handle), 2U);
}

TEST_F(CustodyTest, Other_threads_get_a_lost_hold_last) {
  std::thread([&] {
    add(&handle, kFile, 1);
    add(&handle, kFile, 2);
  }).join();
  custody.lose(2);
  EXPECT_EQ(token_of(custody.take(&handle)), 1U);
  EXPECT_TRUE(custody.take(&handle).value().lost);
  EXPECT_FALSE(custody.take(&handle));
}

TEST_F(CustodyTest, A_grant_that_was_lost_before_anybody_took_it_cannot_be_adopted) {
  locket::client::add(custody, kFile, 1);
  EXPECT_EQ(custody.lose(1), nullptr);
  EXPECT_FALSE(custody.adopt(1, &handle));
  EXPECT_TRUE(custody.take(proto::Token{1}).value().lost);
}

}  // namespace
}  // namespace locket::client
