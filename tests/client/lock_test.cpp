#include "client/lock.hpp"

#include <gtest/gtest.h>

#include <filesystem>
#include <future>

#include "tests/client/fake_daemon.hpp"

namespace locket::client {
namespace {

using proto::Errc;
using proto::Mode;
using test::FakeDaemon;

class LockTest : public testing::Test {
 protected:
  std::unique_ptr<Lock> make(const std::string& name) { return Lock::make(name, process).value(); }

  // Acquires; the test plays the daemon, and grants `token`.
  void acquire(Lock& lock, proto::Token token, Mode mode = Mode::exclusive) {
    auto granted =
        std::async(std::launch::async, [&] { return lock.acquire(mode, std::nullopt).value(); });
    if (!std::exchange(welcomed, true)) daemon.welcome();
    daemon.reply(daemon.next().id, proto::Grant{token});
    EXPECT_EQ(granted.get(), token);
  }

  proto::Token told_release() { return daemon.next_call<proto::Release>().token; }

  test::TemporaryFolder folder;
  std::string path = folder / "lock";
  FakeDaemon daemon;
  Process process{daemon.sockets()};
  bool welcomed = false;
};

TEST_F(LockTest, Release_of_an_unlocked_lock_is_an_error_and_changes_nothing_C5) {
  const auto lock = make(path);
  const auto released = lock->release();
  EXPECT_EQ(released.error().code, Errc::not_held);
  EXPECT_EQ(released.error().message, "cannot release unlocked lock: " + path);
  EXPECT_FALSE(std::filesystem::exists(path));
}

TEST_F(LockTest, A_second_release_is_an_error_C5) {
  const auto lock = make(path);
  acquire(*lock, 7);
  EXPECT_EQ(lock->token(), 7U);
  EXPECT_TRUE(lock->release());
  EXPECT_EQ(told_release(), 7U);
  EXPECT_EQ(lock->token(), 0U);
  EXPECT_EQ(lock->release().error().code, Errc::not_held);
}

TEST_F(LockTest, Every_handle_on_the_same_file_is_the_same_lock_C5) {
  const auto lock = make(path);
  acquire(*lock, 7);
  std::filesystem::create_hard_link(path, folder / "hard");
  std::filesystem::create_symlink(path, folder / "soft");
  for (const char* name : {"lock", "hard", "soft"}) {
    EXPECT_EQ(make(folder / name)->token(), 7U) << name;
  }
  EXPECT_TRUE(make(folder / "hard")->release());
  EXPECT_EQ(told_release(), 7U);
  EXPECT_EQ(lock->token(), 0U);
}

TEST_F(LockTest, One_handle_has_many_shared_holds_C2) {
  const auto lock = make(path);
  acquire(*lock, 7, Mode::shared);
  acquire(*lock, 8, Mode::shared);
  EXPECT_TRUE(lock->release());
  EXPECT_TRUE(lock->release());
  EXPECT_FALSE(lock->release());
}

TEST_F(LockTest, A_handle_that_ends_releases_what_it_acquired_and_no_more) {
  const auto lock = make(path);
  auto other = make(path);
  acquire(*lock, 7, Mode::shared);
  acquire(*other, 8, Mode::shared);
  other.reset();
  EXPECT_EQ(told_release(), 8U);
  EXPECT_EQ(lock->token(), 7U);
}

TEST_F(LockTest, A_relative_path_is_that_of_the_folder_where_it_was_given_C1) {
  EXPECT_EQ(make("lock")->path(), std::filesystem::current_path() / "lock");
  EXPECT_EQ(Lock::make("", process).error().code, Errc::invalid_params);
  EXPECT_EQ(Lock::make(std::string(5000, 'x'), process).error().code, Errc::invalid_params);
}

TEST_F(LockTest, A_reason_is_escaped_and_bounded_C13) {
  const auto lock = make(path);
  EXPECT_EQ(lock->set_reason(std::string(2000, 'x')).error().code, Errc::invalid_params);
  EXPECT_TRUE(lock->set_reason("two\nlines"));
  const auto attempt = lock->begin(Mode::exclusive, std::nullopt);
  daemon.welcome();
  EXPECT_EQ(daemon.next_call<proto::Acquire>().reason, "two\\nlines");
}

}  // namespace
}  // namespace locket::client
