#include "proto/lock_file.hpp"

#include <fcntl.h>
#include <grp.h>
#include <gtest/gtest.h>
#include <linux/magic.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <functional>
#include <string>
#include <string_view>
#include <tuple>

#include "tests/unit/temporary_folder.hpp"

namespace locket::proto {
namespace {

namespace fs = std::filesystem;

class LockFile : public ::testing::Test {
 public:
  ~LockFile() override { ::umask(umask_); }

 protected:
  std::string make(const std::string& name, std::string_view content = "") const {
    const std::string path = folder_ / name;
    std::ofstream(path) << content;
    return path;
  }

  test::TemporaryFolder folder_;
  mode_t umask_ = ::umask(022);
};

struct stat look(const std::string& path) {
  struct stat info{};
  EXPECT_EQ(::stat(path.c_str(), &info), 0) << path;
  return info;
}

// All that is visible of a file except its access time.
auto traces(const std::string& path) {
  const struct stat info = look(path);
  return std::tuple(info.st_size, info.st_mode, info.st_nlink, info.st_mtim.tv_sec,
                    info.st_mtim.tv_nsec, info.st_ctim.tv_sec, info.st_ctim.tv_nsec);
}

// "opened", or the error's text.
std::string outcome(const std::string& path) {
  const auto file = open_lock_file(path);
  return file ? "opened" : file.error().message;
}

Error error(const std::string& path) {
  const auto file = open_lock_file(path);
  EXPECT_FALSE(file) << path;
  return file ? Error{} : file.error();
}

FileId id_of(const auto& path_or_descriptor) {
  const auto id = identify(path_or_descriptor);
  EXPECT_TRUE(id);
  return id.value_or(FileId{});
}

// What `ask` returns in a process without privileges: root may read and write anything.
std::string as_nobody(const std::function<std::string()>& ask) {
  constexpr unsigned kNobody = 65534;
  std::array<int, 2> ends{};
  EXPECT_EQ(::pipe(ends.data()), 0);
  std::fflush(nullptr);  // or the child might print buffered text again
  const pid_t child = ::fork();
  if (child == 0) {
    std::string answer = "cannot become nobody";
    if (::geteuid() != 0 ||
        (::setgroups(0, nullptr) == 0 && ::setgid(kNobody) == 0 && ::setuid(kNobody) == 0)) {
      answer = ask();
    }
    const bool told = ::write(ends[1], answer.data(), answer.size()) >= 0;
    ::_exit(told ? 0 : 1);
  }
  ::close(ends[1]);
  std::string answer;
  std::array<char, 4096> part{};
  for (ssize_t got = 0; (got = ::read(ends[0], part.data(), part.size())) > 0;) {
    answer.append(part.data(), static_cast<std::size_t>(got));
  }
  ::close(ends[0]);
  int status = 0;
  EXPECT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
  return answer;
}

// ---- Opening (C12) ----

TEST_F(LockFile, A_missing_file_is_created_with_mode_0666_less_umask_C12) {
  for (const mode_t mask : {0U, 022U, 027U, 077U}) {
    ::umask(mask);
    const std::string path = folder_ / std::to_string(mask);
    ASSERT_EQ(outcome(path), "opened");
    EXPECT_EQ(look(path).st_mode, S_IFREG | (0666U & ~mask));
    EXPECT_EQ(look(path).st_size, 0);
  }
}

TEST_F(LockFile, A_file_that_exists_is_left_as_it_is_C12) {
  const std::string path = make("data", "precious");
  const auto before = traces(path);
  ASSERT_EQ(outcome(path), "opened");
  EXPECT_EQ(traces(path), before);
}

TEST_F(LockFile, What_is_opened_can_be_locked_and_is_closed_on_exec) {
  const auto file = open_lock_file(folder_ / "lock");
  ASSERT_TRUE(file);
  EXPECT_EQ(::flock(file->get(), LOCK_EX | LOCK_NB), 0);
  EXPECT_NE(::fcntl(file->get(), F_GETFD) & FD_CLOEXEC, 0);
}

TEST_F(LockFile, Each_opening_excludes_the_others) {
  const auto one = open_lock_file(folder_ / "lock");
  const auto other = open_lock_file(folder_ / "lock");
  ASSERT_TRUE(one && other);
  EXPECT_EQ(::flock(one->get(), LOCK_EX | LOCK_NB), 0);
  EXPECT_EQ(::flock(other->get(), LOCK_EX | LOCK_NB), -1);
}

TEST_F(LockFile, A_file_that_one_may_only_read_can_be_locked_C12) {
  const std::string path = make("read-only");
  ::chmod(path.c_str(), 0444);
  EXPECT_EQ(as_nobody([&] { return outcome(path); }), "opened");
}

TEST_F(LockFile, A_file_that_one_may_only_write_can_be_locked_and_keeps_its_content_C12) {
  const std::string path = make("write-only", "precious");
  ::chmod(path.c_str(), 0222);
  const auto before = traces(path);
  EXPECT_EQ(as_nobody([&] { return outcome(path); }), "opened");
  EXPECT_EQ(traces(path), before);
}

TEST_F(LockFile, A_file_without_any_permission_is_refused) {
  const std::string path = make("private");
  ::chmod(path.c_str(), 0);
  EXPECT_EQ(as_nobody([&] { return outcome(path); }),
            "cannot open " + path + ": Permission denied");
}

TEST_F(LockFile, A_folder_can_be_locked) {
  EXPECT_EQ(outcome(folder_.path()), "opened");
}

TEST_F(LockFile, A_symbolic_link_is_followed_also_to_a_file_that_is_created) {
  fs::create_symlink("target", folder_ / "link");
  EXPECT_EQ(outcome(folder_ / "link"), "opened");
  EXPECT_EQ(look(folder_ / "target").st_mode, S_IFREG | 0644U);
}

// ---- What is refused ----

TEST_F(LockFile, A_missing_folder_is_named_C12) {
  const std::string path = folder_ / "missing/lock";
  EXPECT_EQ(outcome(path),
            "cannot open " + path + ": the folder " + (folder_ / "missing") + " does not exist");
  EXPECT_EQ(error(path).code, Errc::file_error);
  EXPECT_EQ(error(path).os_error, ENOENT);
}

TEST_F(LockFile, A_folder_that_one_may_not_write_in_is_named) {
  const std::string closed = folder_ / "closed";
  fs::create_directory(closed);
  ::chmod(closed.c_str(), 0555);
  EXPECT_EQ(as_nobody([&] { return outcome(closed + "/lock"); }),
            "cannot create " + closed + "/lock: no permission to write in the folder " + closed);
}

TEST_F(LockFile, A_file_used_as_a_folder_is_refused) {
  const std::string path = make("file") + "/lock";
  EXPECT_EQ(outcome(path), "cannot open " + path + ": Not a directory");
}

TEST_F(LockFile, A_circle_of_links_is_refused) {
  fs::create_symlink("circle", folder_ / "circle");
  EXPECT_EQ(error(folder_ / "circle").os_error, ELOOP);
}

TEST_F(LockFile, A_FIFO_is_refused_and_not_waited_for) {
  const std::string path = folder_ / "fifo";
  ASSERT_EQ(::mkfifo(path.c_str(), 0666), 0);
  EXPECT_EQ(outcome(path), "cannot lock " + path + ": it is a FIFO, not a file or folder");
  EXPECT_EQ(error(path).code, Errc::bad_file);
}

TEST_F(LockFile, A_socket_is_refused) {
  const std::string path = folder_ / "socket";
  ASSERT_EQ(::mknod(path.c_str(), S_IFSOCK | 0666, 0), 0);
  EXPECT_EQ(outcome(path),
            "cannot lock " + path + ": it is a socket or a device, not a file or folder");
}

TEST_F(LockFile, A_device_is_refused) {
  EXPECT_EQ(outcome("/dev/null"),
            "cannot lock /dev/null: it is a character device, not a file or folder");
}

// ---- Paths that no file can have ----

TEST_F(LockFile, An_empty_path_is_refused) {
  EXPECT_EQ(outcome(""), "the path of the lock file is empty");
  EXPECT_EQ(error("").code, Errc::invalid_params);
}

TEST_F(LockFile, A_path_of_5000_bytes_is_refused_and_told_in_short) {
  const std::string path = "/" + std::string(4999, 'a');
  EXPECT_EQ(error(path).code, Errc::invalid_params);
  EXPECT_EQ(outcome(path), "the path is too long: 5000 bytes, where 4095 are allowed: /" +
                               std::string(60, 'a') + "...");
}

TEST_F(LockFile, A_path_of_4095_bytes_is_left_to_the_kernel) {
  std::string path;
  while (path.size() < 4095) path += "/.";
  path.resize(4095);
  EXPECT_TRUE(check_path(path));
  EXPECT_EQ(outcome(path), "opened");
  EXPECT_FALSE(check_path(path + "."));
}

TEST_F(LockFile, A_name_of_300_bytes_is_refused_by_the_kernel) {
  EXPECT_EQ(error(folder_ / std::string(300, 'a')).os_error, ENAMETOOLONG);
}

TEST_F(LockFile, A_path_with_a_NUL_byte_is_refused_and_nothing_is_created) {
  const std::string path = folder_ / std::string("a\0b", 3);
  EXPECT_EQ(outcome(path), "the path " + (folder_ / "a\\x00b") + " has a NUL byte in it");
  EXPECT_FALSE(fs::exists(folder_ / "a"));
}

TEST_F(LockFile, Newlines_and_escape_codes_in_a_path_are_escaped_in_the_error) {
  const std::string path = folder_ / "no\n\x1b[31m\u009b/lock";
  EXPECT_EQ(outcome(path), "cannot open " + (folder_ / "no\\n\\x1b[31m\\xc2\\x9b/lock") +
                               ": the folder " + (folder_ / "no\\n\\x1b[31m\\xc2\\x9b") +
                               " does not exist");
}

TEST_F(LockFile, Newlines_and_bytes_of_any_kind_may_be_in_a_path) {
  const std::string path = folder_ / "a\n\x1b\xff\\";
  EXPECT_EQ(outcome(path), "opened");
  EXPECT_TRUE(fs::exists(path));
}

// ---- NFS, which needs writable files ----

int access_of(const Descriptor& file) {
  return ::fcntl(file.get(), F_GETFL) & O_ACCMODE;
}

TEST_F(LockFile, Only_an_exclusive_lock_over_NFS_wants_a_writable_file) {
  EXPECT_TRUE(wants_writable(NFS_SUPER_MAGIC, Mode::exclusive));
  EXPECT_FALSE(wants_writable(NFS_SUPER_MAGIC, Mode::shared));
  EXPECT_FALSE(wants_writable(EXT4_SUPER_MAGIC, Mode::exclusive));
  EXPECT_FALSE(wants_writable(TMPFS_MAGIC, Mode::exclusive));
  EXPECT_EQ(access_of(open_lock_file(make("file")).value()), O_RDONLY);
}

TEST_F(LockFile, Is_made_writable_where_that_is_permitted_and_nothing_else_changes_C12) {
  const std::string path = make("file", "content");
  const auto before = traces(path);
  const Descriptor file = made_writable(open_lock_file(path).value(), path);
  EXPECT_EQ(access_of(file), O_RDWR);
  EXPECT_EQ(id_of(file.get()), id_of(path));
  EXPECT_NE(::fcntl(file.get(), F_GETFD) & FD_CLOEXEC, 0);
  EXPECT_EQ(traces(path), before);
}

TEST_F(LockFile, Stays_as_it_is_where_it_cannot_be_made_writable_C12) {
  const std::string folder = folder_ / "sub";
  fs::create_directory(folder);
  EXPECT_EQ(access_of(made_writable(open_lock_file(folder).value(), folder)), O_RDONLY);
  EXPECT_EQ(access_of(made_writable(open_lock_file(folder).value(), folder + "/none")), O_RDONLY);
  const Descriptor other = made_writable(open_lock_file(folder).value(), make("file"));
  EXPECT_EQ(id_of(other.get()), id_of(folder)) << "another file was taken for it";
}

// ---- Identity (C1, C11) ----

TEST_F(LockFile, Every_way_to_a_file_is_the_same_file_C1) {
  const std::string path = make("file");
  fs::create_hard_link(path, folder_ / "hard");
  fs::create_symlink("file", folder_ / "soft");
  fs::create_directory(folder_ / "sub");
  for (const char* other : {"hard", "soft", "./file", "sub/../file", "/file"}) {
    EXPECT_EQ(id_of(folder_ / other), id_of(path)) << other;
    const auto file = open_lock_file(folder_ / other);
    ASSERT_TRUE(file) << other;
    EXPECT_EQ(id_of(file->get()), id_of(path)) << other;
  }
}

TEST_F(LockFile, A_relative_path_is_the_same_file_C1) {
  const std::string path = make("file");
  const fs::path before = fs::current_path();
  fs::current_path(folder_.path());
  EXPECT_EQ(id_of(std::string("file")), id_of(path));
  EXPECT_EQ(absolute("file").value(), path);
  EXPECT_EQ(absolute("../file").value(), folder_ / "../file");
  fs::current_path("/");
  EXPECT_EQ(absolute("file").value(), "/file");
  fs::current_path(before);
}

TEST_F(LockFile, An_absolute_path_stays_as_it_is) {
  EXPECT_EQ(absolute("/a/../b").value(), "/a/../b");
}

TEST_F(LockFile, A_path_that_becomes_too_long_when_made_absolute_is_refused) {
  EXPECT_FALSE(absolute(std::string(4095, 'a')));
  EXPECT_FALSE(absolute(""));
}

TEST_F(LockFile, Different_files_have_different_identities_C1) {
  EXPECT_NE(id_of(make("one")), id_of(make("other")));
}

TEST_F(LockFile, Device_and_inode_are_those_of_stat_C1) {
  const std::string path = make("file");
  const struct stat info = look(path);
  EXPECT_EQ(id_of(path), (FileId{.device = info.st_dev, .inode = info.st_ino}));
}

TEST_F(LockFile, A_path_means_another_file_after_it_was_replaced_C11) {
  const std::string path = make("file");
  const auto file = open_lock_file(path);
  ASSERT_TRUE(file);
  fs::rename(make("new"), path);
  EXPECT_NE(id_of(path), id_of(file->get()));
}

TEST_F(LockFile, Its_state_is_that_of_the_path_until_its_rights_change_C11) {
  const std::string path = make("file");
  const auto file = open_and_identify(path);
  ASSERT_TRUE(file);
  EXPECT_EQ(file->state.id, id_of(path));
  EXPECT_EQ(file->state, look_at(path).value());
  fs::permissions(path, fs::perms::owner_read);
  EXPECT_NE(file->state, look_at(path).value());
}

TEST_F(LockFile, Its_names_are_counted) {
  const std::string path = make("file");
  const auto file = open_lock_file(path);
  ASSERT_TRUE(file);
  EXPECT_EQ(locate(file->get())->names, 1U);
  fs::create_hard_link(path, folder_ / "other");
  EXPECT_EQ(locate(file->get())->names, 2U);
  fs::remove(path);
  fs::remove(folder_ / "other");
  EXPECT_EQ(locate(file->get())->names, 0U);
}

TEST_F(LockFile, Not_every_file_system_is_local) {
  EXPECT_FALSE(is_local(open_lock_file("/proc/version")->get()));
  EXPECT_FALSE(is_local(-1));
}

TEST_F(LockFile, A_path_without_a_file_has_no_identity_C11) {
  const auto id = identify(folder_ / "missing");
  ASSERT_FALSE(id);
  EXPECT_EQ(id.error().os_error, ENOENT);
}

TEST_F(LockFile, What_is_neither_file_nor_folder_has_no_identity) {
  std::array<int, 2> ends{};
  ASSERT_EQ(::pipe(ends.data()), 0);
  const Descriptor reader(ends[0]);
  const Descriptor writer(ends[1]);
  const auto id = identify(reader.get());
  ASSERT_FALSE(id);
  EXPECT_EQ(id.error().code, Errc::bad_file);
  EXPECT_EQ(id.error().message, "it is a FIFO, not a file or folder");
  EXPECT_FALSE(identify(-1));
}

}  // namespace
}  // namespace locket::proto
