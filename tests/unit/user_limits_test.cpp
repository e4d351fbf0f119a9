#include "daemon/user_limits.hpp"

#include <gtest/gtest.h>

#include <vector>

namespace locketd {
namespace {

// Users that take all they may, one after another.
std::vector<std::size_t> greedy(std::size_t users, std::size_t for_users) {
  std::vector<std::size_t> taken;
  std::size_t all = 0;
  for (UserId user = 0; user < users; ++user) {
    UserHas has;
    while (admits_claim(limits_for(has, {}, for_users, all), user, has, {})) {
      ++has.claims.held;
      ++all;
    }
    taken.push_back(has.claims.held);
  }
  return taken;
}

TEST(UserLimits, Whoever_has_as_much_as_he_may_leaves_an_eighth_to_the_next_C15) {
  EXPECT_EQ(greedy(3, 1024), (std::vector<std::size_t>{896, 112, 14}));
}

TEST(UserLimits, What_others_give_back_is_had_again) {
  const UserHas has{.sessions = 50, .claims = {.held = 156}, .calls = 0};  // 256 descriptors
  EXPECT_FALSE(admits_claim(limits_for(has, {}, 1024, 256 + 740), 1, has, {}));
  EXPECT_TRUE(admits_claim(limits_for(has, {}, 1024, 256), 1, has, {}));
}

// A thread's call may end after the user's calls were counted and before all calls are.
TEST(UserLimits, A_call_that_has_just_ended_takes_nothing_from_its_user) {
  const UserHas has{.sessions = 1, .claims = {}, .calls = 1};
  EXPECT_TRUE(admits_claim(limits_for(has, {}, 1024, 2), 1, has, {}));
}

TEST(UserLimits, A_number_holds_whatever_others_have) {
  const UserLimits limits{.descriptors = 300};
  const UserHas has{.sessions = 100, .claims = {}, .calls = 99};
  EXPECT_TRUE(admits_session(limits_for(has, limits, 100, 500), 1, has));
  const UserHas more{.sessions = 100, .claims = {}, .calls = 100};
  EXPECT_FALSE(admits_session(limits_for(more, limits, 10'000, 300), 1, more));
}

TEST(UserLimits, Nothing_is_left_where_others_have_more_than_there_is) {
  const UserHas has;
  EXPECT_FALSE(admits_session(limits_for(has, {}, 10, 20), 1, has));
}

}  // namespace
}  // namespace locketd
