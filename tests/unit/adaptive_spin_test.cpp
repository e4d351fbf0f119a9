#include "proto/adaptive_spin.hpp"

#include <gtest/gtest.h>

namespace locket::proto {
namespace {

class Spinning : public testing::Test {
 protected:
  // How often it looked for what does not come.
  int in_vain() {
    int looks = 0;
    EXPECT_FALSE(spin([&] {
      ++looks;
      return false;
    }));
    return looks;
  }

  // How many times in a row it does not look.
  int skipped() {
    int times = 0;
    while (in_vain() == 0) ++times;
    return times;
  }

  AdaptiveSpin spin;
};

TEST_F(Spinning, Looks_until_there_is_something) {
  int looks = 0;
  EXPECT_TRUE(spin([&] { return ++looks == 1; }));
  EXPECT_EQ(looks, 1);
}

TEST_F(Spinning, Gives_up_and_does_so_sooner_the_more_often_it_was_in_vain) {
  EXPECT_GT(in_vain(), 0);
  for (const int expected : {1, 3, 7, 15, 31, 63, 63}) EXPECT_EQ(skipped(), expected);
}

TEST_F(Spinning, One_that_pays_off_makes_up_for_all_that_were_in_vain) {
  in_vain();
  in_vain();
  while (!spin([] { return true; })) {
  }
  EXPECT_GT(in_vain(), 0);
  EXPECT_EQ(skipped(), 1);
}

}  // namespace
}  // namespace locket::proto
