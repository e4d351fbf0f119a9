#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <array>
#include <charconv>
#include <fstream>
#include <functional>
#include <memory>
#include <system_error>
#include <vector>

#include "client/external_holder.hpp"
#include "proto/flock_line.hpp"
#include "proto/text.hpp"

namespace locket::client {
namespace {

std::optional<std::int64_t> number_in(std::string_view text) {
  std::int64_t number = 0;
  const char* const begin = text.data();
  const char* const end = begin + text.size();
  const auto [stop, error] = std::from_chars(begin, end, number);
  if (error != std::errc() || stop != end) return std::nullopt;
  return number;
}

// The numeric names in a folder.
std::vector<std::int64_t> numbers_in(const std::string& folder) {
  std::vector<std::int64_t> numbers;
  const std::unique_ptr<DIR, int (*)(DIR*)> entries(::opendir(folder.c_str()), ::closedir);
  if (!entries) return numbers;
  while (const dirent* entry = ::readdir(entries.get())) {
    if (const auto number = number_in(entry->d_name)) numbers.push_back(*number);
  }
  return numbers;
}

class Search {
 public:
  Search(proto::FileId file, std::int64_t daemon_pid, const std::string& proc)
      : file_(file), daemon_pid_(daemon_pid), proc_(proc) {}

  std::optional<ExternalHolder> run() const {
    // Usually the process that locked it still has it: then there is no need to look at every
    // process.
    const auto locker = from_proc_locks();
    if (locker) {
      if (const auto mode = held_by(locker->pid)) return describe(locker->pid, *mode);
    }
    for (const std::int64_t pid : numbers_in(proc_)) {
      if (const auto mode = held_by(pid)) return describe(pid, *mode);
    }
    if (locker) return describe(locker->pid, locker->mode);
    return std::nullopt;
  }

 private:
  std::optional<proto::FlockLine> from_proc_locks() const {
    std::ifstream locks(proc_ + "/locks");
    for (std::string line; std::getline(locks, line);) {
      const auto lock = proto::parse_flock_line(line);
      // 0 or less: a process of another pid namespace.
      if (lock && lock->file == file_ && lock->pid > 0 && lock->pid != daemon_pid_) return lock;
    }
    return std::nullopt;
  }

  // The mode of a lock on the file through one of this process's open descriptors.
  std::optional<proto::Mode> held_by(std::int64_t pid) const {
    if (pid == daemon_pid_) return std::nullopt;
    const std::string folder = proc_ + '/' + std::to_string(pid);
    for (const std::int64_t fd : numbers_in(folder + "/fdinfo")) {
      std::ifstream info(folder + "/fdinfo/" + std::to_string(fd));
      for (std::string line; std::getline(info, line);) {
        constexpr std::string_view kLock = "lock:";
        if (!line.starts_with(kLock)) continue;
        const auto lock = proto::parse_flock_line(std::string_view(line).substr(kLock.size()));
        if (lock && is_ours(*lock, folder + "/fd/" + std::to_string(fd))) return lock->mode;
      }
    }
    return std::nullopt;
  }

  // On Btrfs and overlayfs, statx(2) reports another device than the kernel's lock table, so a lock
  // that differs only in the device is checked once more, through the descriptor itself.
  bool is_ours(const proto::FlockLine& lock, const std::string& descriptor) const {
    if (lock.file == file_) return true;
    if (lock.file.inode != file_.inode) return false;
    struct statx info{};
    if (::statx(AT_FDCWD, descriptor.c_str(), AT_STATX_DONT_SYNC, STATX_INO, &info) != 0) {
      return false;
    }
    return proto::FileId{makedev(info.stx_dev_major, info.stx_dev_minor), info.stx_ino} == file_;
  }

  ExternalHolder describe(std::int64_t pid, proto::Mode mode) const {
    ExternalHolder holder{pid, {}, std::nullopt, mode};
    const std::string folder = proc_ + '/' + std::to_string(pid);
    std::ifstream comm(folder + "/comm");
    std::string command;
    std::getline(comm, command);
    holder.command = proto::escape(command);
    struct stat info{};
    if (::stat(folder.c_str(), &info) == 0) holder.uid = info.st_uid;
    return holder;
  }

  proto::FileId file_;
  std::int64_t daemon_pid_;
  const std::string& proc_;
};

}  // namespace

std::optional<ExternalHolder> find_external_holder(proto::FileId file, std::int64_t daemon_pid,
                                                   const std::string& proc) {
  return Search(file, daemon_pid, proc).run();
}

}  // namespace locket::client
