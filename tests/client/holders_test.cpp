#include "client/holders.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

namespace locket::client {
namespace {

Holder holder(std::int64_t pid, double held, std::string reason = {}) {
  Holder made;
  made.pid = pid;
  made.user = "ann";
  made.command = "backup";
  made.held = held;
  made.reason = std::move(reason);
  return made;
}

// Not our own pid.
const std::int64_t kSomebody = ::getpid() + 1;
const std::string kTheirName = "pid " + std::to_string(kSomebody);

std::string text(const std::vector<Holder>& holders, proto::Refusal refusal = {}) {
  if (refusal.holder_count == 0) refusal.holder_count = holders.size();
  refusal.holders.resize(holders.size());
  return refusal_text("/srv/db.lock", refusal, holders);
}

TEST(Holders, A_refusal_names_path_pid_command_user_age_and_reason_C13) {
  EXPECT_EQ(
      text({holder(kSomebody, 12, "nightly backup")}),
      "/srv/db.lock is locked by " + kTheirName + " (backup, user ann) for 12 s: nightly backup");
}

TEST(Holders, Shared_holders_are_listed_up_to_a_limit_C13) {
  Holder first = holder(kSomebody, 1.5);
  first.mode = proto::Mode::shared;
  Holder second = holder(kSomebody, 0.25, "reads");
  second.mode = proto::Mode::shared;
  proto::Refusal refusal;
  refusal.holder_count = 5;
  EXPECT_EQ(text({first, second}, refusal), "/srv/db.lock is locked shared by " + kTheirName +
                                                " (backup, user ann) for 1.5 s; " + kTheirName +
                                                " (backup, user ann) for 0.2 s: reads; and 3 more");
}

TEST(Holders, Others_who_wait_are_counted_C13) {
  proto::Refusal refusal;
  refusal.waiters = 1;
  EXPECT_TRUE(text({holder(kSomebody, 1)}, refusal).ends_with("; 1 other waits for it"));
  refusal.waiters = 2;
  EXPECT_TRUE(text({holder(kSomebody, 1)}, refusal).ends_with("; 2 others wait for it"));
}

TEST(Holders, An_external_holder_is_told_apart_C13) {
  Holder found = holder(kSomebody, 0);
  found.external = true;
  EXPECT_EQ(text({found}),
            "/srv/db.lock is locked by " + kTheirName + " (backup, user ann) without locketd");
  Holder unknown;
  unknown.external = true;
  EXPECT_EQ(text({unknown}), "/srv/db.lock is locked by a process that does not use locketd");
}

TEST(Holders, This_process_itself_is_called_so_since_locks_are_not_reentrant_C2) {
  EXPECT_NE(text({holder(::getpid(), 1)}).find("this process itself, pid "), std::string::npos);
}

TEST(Holders, A_refusal_with_nobody_to_name_still_says_so) {
  EXPECT_EQ(text({}), "/srv/db.lock is locked");
}

TEST(Holders, A_timeout_says_how_long_it_was) {
  EXPECT_EQ(timeout_text("x is locked", proto::Seconds(30)), "timed out after 30 s: x is locked");
  EXPECT_EQ(timeout_text("x is locked", proto::Seconds(0.25)),
            "timed out after 0.25 s: x is locked");
  EXPECT_EQ(timeout_text("x is locked", proto::Seconds(0)), "x is locked");
}

TEST(Holders, Ages_are_given_in_the_unit_that_people_would_use) {
  EXPECT_EQ(duration_text(-1), "0.0 s");
  EXPECT_EQ(duration_text(0.34), "0.3 s");
  EXPECT_EQ(duration_text(9.96), "10 s");
  EXPECT_EQ(duration_text(119), "119 s");
  EXPECT_EQ(duration_text(300), "5 min");
  EXPECT_EQ(duration_text(3 * 3600), "3 h");
  EXPECT_EQ(duration_text(4 * 86400), "4 days");
}

TEST(Holders, Users_without_a_name_are_shown_by_number) {
  EXPECT_EQ(user_name(0), "root");
  EXPECT_EQ(user_name(3'999'999'999), "3999999999");
}

}  // namespace
}  // namespace locket::client
