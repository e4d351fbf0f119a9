#include "client/acquisition.hpp"

#include <gtest/gtest.h>
#include <sys/file.h>

#include <cerrno>
#include <filesystem>
#include <future>

#include "proto/lock_file.hpp"
#include "tests/client/fake_daemon.hpp"
#include "tests/support/kernel_lock.hpp"

namespace locket::client {
namespace {

using namespace std::chrono_literals;
using proto::Errc;
using proto::Mode;
using proto::Seconds;
using test::failure;
using test::FakeDaemon;
using test::kernel_admits;

class AcquisitionTest : public testing::Test {
 protected:
  Acquisition begin(std::optional<Seconds> timeout = std::nullopt, Mode mode = Mode::exclusive) {
    auto attempt = Acquisition::begin(process, &handle, {path, mode, timeout, "a reason"});
    return attempt ? std::move(*attempt) : throw std::runtime_error(attempt.error().error.message);
  }

  static std::future<Acquisition::Outcome> waiting(Acquisition& attempt) {
    return std::async(std::launch::async, [&attempt] { return *attempt.wait(); });
  }

  // As the daemon does before a grant.
  proto::Descriptor lock_descriptor() {
    auto descriptor = daemon.take_descriptor();
    EXPECT_EQ(::flock(descriptor.get(), LOCK_EX | LOCK_NB), 0);
    return descriptor;
  }

  void release() { release_hold(process.custody.take(&handle).value(), process.connection); }

  test::TemporaryFolder folder;
  std::string path = folder / "lock";
  FakeDaemon daemon;
  Process process{daemon.sockets()};
  Custody::Handle handle;
};

TEST_F(AcquisitionTest, Asks_with_path_mode_time_left_reason_and_descriptor) {
  auto attempt = begin(Seconds(30), Mode::shared);
  daemon.welcome();
  const auto request = daemon.next_call<proto::Acquire>();
  EXPECT_EQ(request.path, path);
  EXPECT_EQ(request.mode, Mode::shared);
  EXPECT_GT(request.timeout.value(), Seconds(29));
  EXPECT_LE(request.timeout.value(), Seconds(30));
  EXPECT_EQ(request.reason, "a reason");
  EXPECT_EQ(proto::identify(daemon.take_descriptor().get()).value(), attempt.file());
}

TEST_F(AcquisitionTest, A_grant_becomes_a_hold_that_the_kernel_knows_C6) {
  auto attempt = begin();
  auto outcome = waiting(attempt);
  daemon.welcome();
  const auto id = daemon.next().id;
  lock_descriptor().reset();  // the daemon's copy; the client's keeps the lock
  daemon.reply(id, proto::Grant{7});
  EXPECT_EQ(outcome.get(), 7U);
  EXPECT_FALSE(kernel_admits(path));
  release();
  EXPECT_TRUE(kernel_admits(path));
  EXPECT_EQ(daemon.next_call<proto::Release>().token, 7U);
}

TEST_F(AcquisitionTest, The_kernels_lock_is_gone_before_the_daemon_is_told_and_without_one_C7) {
  auto attempt = begin();
  auto outcome = waiting(attempt);
  daemon.welcome();
  const auto id = daemon.next().id;
  const auto copy = lock_descriptor();  // kept as long as the daemon has not read the release
  daemon.reply(id, proto::Grant{7});
  EXPECT_EQ(outcome.get(), 7U);
  daemon.hang_up();
  release();
  EXPECT_TRUE(kernel_admits(path));
}

TEST_F(AcquisitionTest, A_replaced_lock_file_is_noticed_at_the_grant_and_asked_for_again_C11) {
  auto attempt = begin(Seconds(30));
  const auto old_file = attempt.file();
  auto outcome = waiting(attempt);
  daemon.welcome();
  const auto id = daemon.next().id;
  const auto copy = lock_descriptor();
  std::filesystem::rename(folder.file("new"), path);
  daemon.reply(id, proto::Grant{7});

  EXPECT_EQ(daemon.next_call<proto::Release>().token, 7U);
  const auto again = daemon.next();
  EXPECT_LT(std::get<proto::Acquire>(again.call).timeout.value(), Seconds(30));
  lock_descriptor().reset();
  daemon.reply(again.id, proto::Grant{8});
  EXPECT_EQ(outcome.get(), 8U);
  const auto hold = process.custody.take(&handle);
  ASSERT_TRUE(hold);
  EXPECT_NE(hold->claim->file.id, old_file);
  EXPECT_EQ(hold->claim->file.id, proto::identify(path).value());
}

TEST_F(AcquisitionTest, An_unlinked_lock_file_is_made_anew_also_with_timeout_0_C11) {
  auto attempt = begin(Seconds(0));
  auto outcome = waiting(attempt);
  daemon.welcome();
  const auto id = daemon.next().id;
  std::filesystem::remove(path);
  daemon.reply(id, proto::Grant{7});
  EXPECT_EQ(daemon.next_call<proto::Release>().token, 7U);
  daemon.reply(daemon.next().id, proto::Grant{8});
  EXPECT_EQ(outcome.get(), 8U);
  EXPECT_TRUE(std::filesystem::exists(path));
}

TEST_F(AcquisitionTest, Waiting_in_steps_keeps_the_place_in_the_queue) {
  auto attempt = begin();
  daemon.welcome();
  const auto id = daemon.next().id;
  EXPECT_FALSE(attempt.wait(Clock::now() + 10ms));
  EXPECT_FALSE(attempt.wait(Clock::now()));
  daemon.reply(id, proto::Grant{7});
  EXPECT_EQ(attempt.wait().value(), 7U);
}

TEST_F(AcquisitionTest, Dropping_it_leaves_nothing_locked_and_cancels) {
  std::optional<proto::RequestId> id;
  proto::Descriptor copy;
  {
    const auto attempt = begin();
    daemon.welcome();
    id = daemon.next().id;
    copy = lock_descriptor();
  }
  EXPECT_TRUE(kernel_admits(path));
  EXPECT_EQ(daemon.next_call<proto::Cancel>().request, id);
}

TEST_F(AcquisitionTest, A_refusal_is_handed_on_with_what_it_tells_C13) {
  auto attempt = begin(Seconds(0));
  auto outcome = waiting(attempt);
  daemon.welcome();
  auto refused = failure(Errc::timed_out);
  refused.refusal.emplace().holders.emplace_back().pid = 99;
  daemon.reply(daemon.next().id, refused);
  const auto result = outcome.get();
  EXPECT_EQ(result.error().error.code, Errc::timed_out);
  EXPECT_EQ(result.error().refusal.value().holders.at(0).pid, 99);
}

TEST_F(AcquisitionTest, A_stopped_daemon_makes_no_timeout_late_nor_early_C3) {
  const auto start = Clock::now();
  auto attempt = begin(Seconds(0.05));
  const auto outcome = attempt.wait();
  EXPECT_GE(Clock::now() - start, 50ms);
  EXPECT_LT(Clock::now() - start, 1s);
  EXPECT_EQ(outcome.value().error().error.code, Errc::timed_out);
}

TEST_F(AcquisitionTest, A_stopped_daemon_gets_patience_with_timeout_0_and_then_a_clear_error_C3) {
  const auto start = Clock::now();
  auto attempt = begin(Seconds(0));
  const auto outcome = attempt.wait();
  EXPECT_GE(Clock::now() - start, kPatience);
  EXPECT_EQ(outcome.value().error().error.code, Errc::no_daemon);
  EXPECT_EQ(outcome.value().error().error.message, "locketd does not answer");
}

TEST_F(AcquisitionTest, A_missing_folder_is_an_error_that_names_it_C12) {
  const auto attempt = Acquisition::begin(process, &handle, {folder / "no/lock", {}, {}, {}});
  EXPECT_EQ(attempt.error().error.code, Errc::file_error);
  EXPECT_EQ(attempt.error().error.os_error, ENOENT);
  EXPECT_NE(attempt.error().error.message.find("the folder " + folder / "no"), std::string::npos);
}

}  // namespace
}  // namespace locket::client
