// The daemon opens nothing for others with its own rights: C14.

#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>

#include "tests/integration/lock_test.hpp"

namespace locket::test {
namespace {

class Rights : public LockTest {
 protected:
  static Id acquire_by_path(RawClient& client, const std::string& name) {
    return client.start("acquire", {{"path", name}, {"timeout", 0}});
  }
};

TEST_F(Rights, A_path_alone_is_served_to_the_daemons_own_user_C14) {
  const Token token = ann.granted(acquire_by_path(ann, path));
  EXPECT_FALSE(kernel_admits(path));
  EXPECT_FALSE(bob.try_lock(path));
  ann.release(token);
  EXPECT_TRUE(kernel_admits(path));
}

TEST_F(Rights, A_path_alone_makes_the_file_where_it_is_missing_C12) {
  const std::string missing = folder / "missing.lock";
  ann.granted(acquire_by_path(ann, missing));
  const mode_t umask = ::umask(0);
  ::umask(umask);
  struct stat info{};
  ASSERT_EQ(::stat(missing.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 07777, 0666 & ~umask);
}

TEST_F(Rights, A_path_alone_is_refused_to_other_users_C14) {
  if (::geteuid() != 0) GTEST_SKIP() << "only root can act as another user";
  const std::string missing = folder / "missing.lock";
  const int status = in_process_of(kNobody, [&] {
    RawClient nobody(daemon.socket());
    for (const std::string& name : {path, missing, std::string("/etc/shadow")}) {
      if (name_of(nobody.error(acquire_by_path(nobody, name))) != "not_permitted") return 1;
    }
    return 0;
  });
  EXPECT_EQ(status, 0);
  EXPECT_FALSE(std::filesystem::exists(missing));
  EXPECT_TRUE(ann.list().empty());
}

TEST_F(Rights, Other_users_are_served_what_they_can_open_themselves_C14) {
  if (::geteuid() != 0) GTEST_SKIP() << "only root can act as another user";
  Command command = program();
  command.user = kNobody;
  Child nobody(command);
  EXPECT_TRUE(says(nobody.ask("lock " + path), "held"));
  EXPECT_EQ(ann.list().at(0)["uid"], kNobody);
  std::filesystem::permissions(path, std::filesystem::perms::none);
  EXPECT_EQ(nobody.ask("release " + path), "released");
  EXPECT_TRUE(says(nobody.ask("lock " + path + " 0"), "file_error"));
}

TEST_F(Rights, A_file_that_the_daemon_cannot_open_itself_can_be_locked_C14) {
  const Daemon unprivileged(ordinary_user());
  RawClient client(unprivileged.socket());
  const proto::Descriptor file = open_file(path);
  std::filesystem::permissions(path, std::filesystem::perms::none);
  const Id id = client.start("acquire", {{"path", path}}, {file.get()});
  client.granted(id);
  EXPECT_EQ(client.list().size(), 1U);
  std::filesystem::permissions(path, std::filesystem::perms{0600});
  EXPECT_FALSE(kernel_admits(path));
}

}  // namespace
}  // namespace locket::test
