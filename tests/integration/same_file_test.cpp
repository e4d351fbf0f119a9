// Which file is locked, and what happens to it: C1, C11, C12.

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>

#include "tests/integration/lock_test.hpp"

namespace locket::test {
namespace {

class SameFile : public LockTest {
 protected:
  // Another process that uses this name for the file finds it locked, and free after the release.
  void expect_same_lock(const Command& other, const std::string& name) {
    const Token held = ann.lock(path);
    Child child(other);
    EXPECT_TRUE(says(child.ask("lock " + name + " 0"), "timed_out"));
    ann.release(held);
    EXPECT_TRUE(says(child.ask("lock " + name + " 0"), "held"));
    EXPECT_FALSE(ann.try_lock(path));
  }

  void replace_file() {
    write_file(folder / "new", "");
    std::filesystem::rename(folder / "new", path);
  }
};

// ---- One file, one lock (C1) ----

TEST_F(SameFile, A_relative_path_is_the_same_lock_C1) {
  Command other = program();
  other.folder = folder.path();
  expect_same_lock(other, "test.lock");
}

TEST_F(SameFile, A_symbolic_link_is_the_same_lock_C1) {
  std::filesystem::create_symlink("test.lock", folder / "link");
  expect_same_lock(program(), folder / "link");
}

TEST_F(SameFile, A_symbolic_link_to_the_folder_is_the_same_lock_C1) {
  std::filesystem::create_symlink(".", folder / "here");
  expect_same_lock(program(), folder / "here/test.lock");
}

TEST_F(SameFile, A_hard_link_is_the_same_lock_C1) {
  std::filesystem::create_hard_link(path, folder / "link");
  expect_same_lock(program(), folder / "link");
}

TEST_F(SameFile, A_bind_mount_in_another_mount_namespace_is_the_same_lock_C1) {
  const std::string mounted = folder.file("elsewhere/test.lock");
  std::vector<std::string> unshare{"unshare", "--mount"};
  if (::geteuid() != 0) unshare.emplace_back("--map-root-user");
  Command other = program();
  other.words = unshare;
  for (const char* word : {"sh", "-c", R"(mount --bind "$0" "$1" && exec "$2")"}) {
    other.words.emplace_back(word);
  }
  for (const std::string& word : {path, mounted, std::string("true")}) other.words.push_back(word);
  if (run(other).status != 0) GTEST_SKIP() << "mounting is not allowed here";
  other.words.back() = LOCK_PROGRAM;
  expect_same_lock(other, mounted);
}

TEST_F(SameFile, Other_files_are_other_locks_C1) {
  ann.lock(path);
  EXPECT_TRUE(bob.try_lock(folder.file("other.lock")));
}

TEST_F(SameFile, A_folder_can_be_locked_C1) {
  ann.lock(path);
  Child child(program());
  EXPECT_TRUE(says(child.ask("lock " + folder.path() + " 0"), "held"));
  EXPECT_FALSE(kernel_admits(folder.path()));
}

// ---- The path still means this file (C11) ----

TEST_F(SameFile, A_file_unlinked_while_one_waits_is_made_anew_C11) {
  const Token held = ann.lock(path);
  Child child(program());
  child.say("lock " + path);
  ASSERT_TRUE(eventually_waiting(1));
  std::filesystem::remove(path);
  ann.release(held);
  EXPECT_TRUE(says(child.line(), "held"));
  EXPECT_FALSE(kernel_admits(path));
  EXPECT_FALSE(bob.try_lock(path));
}

TEST_F(SameFile, A_file_replaced_while_one_waits_is_waited_for_anew_C11) {
  const Token on_old = ann.lock(path);
  Child child(program());
  child.say("lock " + path);
  ASSERT_TRUE(eventually_waiting(1));
  replace_file();
  const Token on_new = bob.lock(path);
  ann.release(on_old);
  // It has let go of the old file, and waits for the new one.
  ASSERT_TRUE(eventually([&] { return ann.list().size() == 2; }));
  ASSERT_TRUE(eventually_waiting(1));
  bob.release(on_new);
  EXPECT_TRUE(says(child.line(), "held"));
  EXPECT_FALSE(kernel_admits(path));
}

TEST_F(SameFile, A_replaced_file_is_waited_for_with_the_time_that_is_left_C11) {
  const Token on_old = ann.lock(path);
  Child child(program());
  const auto begin = Clock::now();
  child.say("lock " + path + " 2");
  ASSERT_TRUE(eventually_waiting(1));
  replace_file();
  bob.lock(path);
  let_pass(std::chrono::milliseconds(1800));
  ann.release(on_old);
  EXPECT_TRUE(says(child.line(), "timed_out"));
  EXPECT_GE(seconds_since(begin), 2.0);
  EXPECT_LT(seconds_since(begin), 3.5);
}

// ---- The file is only locked (C12) ----

TEST_F(SameFile, Locking_changes_nothing_about_the_file_C12) {
  write_file(path, "precious");
  std::filesystem::permissions(path, std::filesystem::perms{0640});
  constexpr timespec kLongAgo{1'000'000'000, 123'456'789};
  const timespec times[2] = {kLongAgo, kLongAgo};
  ASSERT_EQ(::utimensat(AT_FDCWD, path.c_str(), times, 0), 0);
  struct stat before{};
  ASSERT_EQ(::stat(path.c_str(), &before), 0);

  Child child(program());
  EXPECT_TRUE(says(child.ask("lock " + path), "held"));
  EXPECT_EQ(child.ask("release " + path), "released");
  ann.release(ann.lock(path));

  struct stat after{};
  ASSERT_EQ(::stat(path.c_str(), &after), 0);
  EXPECT_EQ(after.st_ino, before.st_ino);
  EXPECT_EQ(after.st_size, before.st_size);
  EXPECT_EQ(after.st_mode, before.st_mode);
  EXPECT_EQ(after.st_mtim.tv_sec, kLongAgo.tv_sec);
  EXPECT_EQ(after.st_mtim.tv_nsec, kLongAgo.tv_nsec);
  EXPECT_EQ(after.st_atim.tv_sec, kLongAgo.tv_sec);
  EXPECT_EQ(after.st_ctim.tv_nsec, before.st_ctim.tv_nsec);
  EXPECT_EQ(read_file(path), "precious");
}

TEST_F(SameFile, A_missing_file_is_made_as_the_umask_says_C12) {
  for (const mode_t umask : {0000U, 0022U, 0027U, 0077U}) {
    const std::string missing = folder / ("missing" + std::to_string(umask));
    Command command = program();
    command.umask = umask;
    Child child(command);
    EXPECT_TRUE(says(child.ask("lock " + missing), "held"));
    struct stat info{};
    ASSERT_EQ(::stat(missing.c_str(), &info), 0);
    EXPECT_EQ(info.st_mode & 07777, 0666 & ~umask);
    EXPECT_EQ(info.st_size, 0);
  }
}

TEST_F(SameFile, A_missing_folder_is_an_error_that_names_it_C12) {
  Child child(program());
  EXPECT_EQ(child.ask("lock " + (folder / "no/such.lock")),
            "file_error cannot open " + (folder / "no/such.lock") + ": the folder " +
                (folder / "no") + " does not exist");
  EXPECT_FALSE(std::filesystem::exists(folder / "no"));
}

TEST_F(SameFile, A_file_that_one_may_only_read_or_only_write_can_be_locked_C12) {
  Command command = program();
  command.user = ordinary_user();
  for (const unsigned mode : {0444U, 0222U}) {
    std::filesystem::permissions(path, std::filesystem::perms{mode});
    Child child(command);
    EXPECT_TRUE(says(child.ask("lock " + path), "held")) << mode;
    std::filesystem::permissions(path, std::filesystem::perms{0600});
    EXPECT_FALSE(ann.try_lock(path));
  }
}

TEST_F(SameFile, A_file_that_one_may_not_open_is_an_error_C12) {
  std::filesystem::permissions(path, std::filesystem::perms::none);
  Command command = program();
  command.user = ordinary_user();
  Child child(command);
  EXPECT_EQ(child.ask("lock " + path), "file_error cannot open " + path + ": Permission denied");
}

}  // namespace
}  // namespace locket::test
