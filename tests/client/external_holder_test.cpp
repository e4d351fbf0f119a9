#include "client/external_holder.hpp"

#include <gtest/gtest.h>
#include <sys/file.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>

#include "proto/flock_line.hpp"
#include "proto/lock_file.hpp"
#include "tests/support/temporary_folder.hpp"

namespace locket::client {
namespace {

using proto::Mode;

const proto::FileId kFile{makedev(8, 0x1f), 1234};
const std::string kFdinfo = "pos:\t0\nflags:\t02100000\nmnt_id:\t30\nino:\t1234\n";
const std::string kLine = "1: FLOCK  ADVISORY  WRITE 359 08:1f:1234 0 EOF\n";

// Into the test's imitation of /proc.
void write(const test::TemporaryFolder& proc, const std::string& name, const std::string& content) {
  test::write_file(proc.file(name), content);
}

TEST(ExternalHolder, Lines_of_flock_are_read_and_others_are_not) {
  const auto line = proto::parse_flock_line("1: FLOCK  ADVISORY  WRITE 359 08:1f:1234 0 EOF");
  ASSERT_TRUE(line);
  EXPECT_EQ(line->pid, 359);
  EXPECT_EQ(line->mode, Mode::exclusive);
  EXPECT_EQ(line->file, kFile);
  EXPECT_EQ(proto::parse_flock_line("7: FLOCK ADVISORY READ 1 fe:00:9 0 EOF")->mode, Mode::shared);

  for (const char* other : {
           "",
           "lock",
           "1: POSIX  ADVISORY  WRITE 359 08:1f:1234 0 EOF",
           "1: -> FLOCK  ADVISORY  WRITE 360 08:1f:1234 0 EOF",  // waits
           "1: FLOCK  ADVISORY  WRITE x 08:1f:1234 0 EOF",
           "1: FLOCK  ADVISORY  WRITE 359 08:1234 0 EOF",
           "1: FLOCK  ADVISORY  WRITE 359 08:zz:1234 0 EOF",
           "1: FLOCK  ADVISORY  WRITE 359 08:1f:99999999999999999999 0 EOF",
       }) {
    EXPECT_FALSE(proto::parse_flock_line(other)) << other;
  }
}

TEST(ExternalHolder, Is_the_process_that_has_the_description_open_and_not_the_one_that_locked_it) {
  const test::TemporaryFolder proc;
  write(proc, "locks", kLine);
  write(proc, "400/comm", "sleep\n");
  write(proc, "400/fdinfo/0", kFdinfo);
  write(proc, "400/fdinfo/3", kFdinfo + "lock:\t" + kLine);
  const auto found = find_external_holder(kFile, 0, proc.path());
  ASSERT_TRUE(found);
  EXPECT_EQ(found->pid, 400);
  EXPECT_EQ(found->command, "sleep");
  EXPECT_EQ(found->uid, ::getuid());
}

TEST(ExternalHolder, Is_who_locked_where_one_may_look_no_further) {
  const test::TemporaryFolder proc;
  write(proc, "locks", kLine);
  write(proc, "359/comm", "evil\x1b[31m\n");
  const auto found = find_external_holder(kFile, 0, proc.path());
  ASSERT_TRUE(found);
  EXPECT_EQ(found->pid, 359);
  EXPECT_EQ(found->command, "evil\\x1b[31m");
}

TEST(ExternalHolder, Is_not_the_daemon_nor_a_process_of_another_pid_namespace) {
  const test::TemporaryFolder proc;
  write(proc, "locks", "1: FLOCK ADVISORY WRITE 0 08:1f:1234 0 EOF\n" + kLine);
  write(proc, "359/fdinfo/3", kFdinfo + "lock:\t" + kLine);
  EXPECT_FALSE(find_external_holder(kFile, 359, proc.path()));
  EXPECT_TRUE(find_external_holder(kFile, 360, proc.path()));
}

TEST(ExternalHolder, Is_nobody_where_another_file_is_locked) {
  const test::TemporaryFolder proc;
  write(proc, "locks", kLine);
  write(proc, "359/fdinfo/3", kFdinfo + "lock:\t" + kLine);
  EXPECT_FALSE(find_external_holder({kFile.device, 5}, 0, proc.path()));
  EXPECT_FALSE(find_external_holder({kFile.device + 1, kFile.inode}, 0, proc.path()));
}

// As flock(1) leaves it if its command goes on in the background: the child locks, passes the open
// file description on to its own child, and ends.
TEST(ExternalHolder, Is_found_in_the_real_proc_after_the_locker_is_gone) {
  const test::TemporaryFolder folder;
  auto file = proto::open_lock_file(folder / "lock").value();
  const auto id = proto::identify(file.get()).value();
  std::array<int, 2> told{};
  std::array<int, 2> hold{};
  ASSERT_EQ(::pipe(told.data()), 0);
  ASSERT_EQ(::pipe(hold.data()), 0);
  const pid_t locker = ::fork();
  if (locker == 0) {
    ::flock(file.get(), LOCK_EX);
    const pid_t heir = ::fork();
    if (heir != 0) {
      std::ignore = ::write(told[1], &heir, sizeof heir);
      ::_exit(0);
    }
    ::close(hold[1]);
    char end = 0;
    std::ignore = ::read(hold[0], &end, 1);  // until the test is over
    ::_exit(0);
  }
  file.reset();
  ::close(hold[0]);
  ASSERT_EQ(::waitpid(locker, nullptr, 0), locker);
  pid_t heir = 0;
  ASSERT_EQ(::read(told[0], &heir, sizeof heir), static_cast<ssize_t>(sizeof heir));

  const auto found = find_external_holder(id);
  for (const int fd : {told[0], told[1], hold[1]}) ::close(fd);
  ASSERT_TRUE(found);
  EXPECT_EQ(found->pid, heir);
  EXPECT_EQ(found->mode, Mode::exclusive);
}

}  // namespace
}  // namespace locket::client
