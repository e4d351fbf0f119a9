#include <fcntl.h>
#include <fmt/core.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <cstring>
#include <string_view>
#include <utility>

#include "proto/limits.hpp"
#include "proto/lock_file.hpp"
#include "proto/text.hpp"

namespace locket::proto {
namespace {

// Without O_NONBLOCK, opening a FIFO would wait for its writer and a leased file for its owner.
constexpr int kOpenFlags = O_CLOEXEC | O_NOCTTY | O_NONBLOCK;
constexpr mode_t kCreateMode = 0666;

std::string shown(const std::string& path) {
  return shorten(escape(path), 256);
}

std::string folder_of(const std::string& path) {
  const auto slash = path.find_last_of('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

Error file_error(const std::string& path, int error) {
  const auto because = [&](std::string message) {
    return Error{Errc::file_error, std::move(message), error};
  };
  struct stat info{};
  switch (error) {
    case ENOENT:
      if (const std::string folder = folder_of(path); ::stat(folder.c_str(), &info) != 0) {
        return because(fmt::format("cannot open {}: the folder {} does not exist", shown(path),
                                   shown(folder)));
      }
      if (::lstat(path.c_str(), &info) == 0 && S_ISLNK(info.st_mode)) {
        return because(
            fmt::format("cannot open {}: it is a symbolic link into a folder that does not exist",
                        shown(path)));
      }
      break;
    case ENXIO:
      return because(fmt::format("cannot lock {}: it is a socket or a device, not a file or folder",
                                 shown(path)));
    case EACCES:
      if (::stat(path.c_str(), &info) != 0 && errno == ENOENT) {
        return because(fmt::format("cannot create {}: no permission to write in the folder {}",
                                   shown(path), shown(folder_of(path))));
      }
      break;
    default:
      break;
  }
  return because(fmt::format("cannot open {}: {}", shown(path), std::strerror(error)));
}

std::string_view kind_of(mode_t mode) {
  switch (mode & S_IFMT) {
    case S_IFIFO:
      return "a FIFO";
    case S_IFSOCK:
      return "a socket";
    case S_IFCHR:
      return "a character device";
    case S_IFBLK:
      return "a block device";
    default:
      return "not a file";
  }
}

// Asks only for what file systems keep at hand, and for the mount.
std::expected<struct statx, Error> look(int fd, const char* path, int flags) {
  struct statx info{};
  const unsigned wanted = STATX_TYPE | STATX_INO | STATX_CTIME | STATX_NLINK | STATX_MNT_ID;
  if (::statx(fd, path, flags | AT_STATX_DONT_SYNC, wanted, &info) != 0) {
    return std::unexpected(Error{Errc::file_error, std::strerror(errno), errno});
  }
  if (!S_ISREG(info.stx_mode) && !S_ISDIR(info.stx_mode)) {
    return std::unexpected(Error{
        Errc::bad_file, fmt::format("it is {}, not a file or folder", kind_of(info.stx_mode))});
  }
  return info;
}

std::expected<struct statx, Error> look(int fd) {
  return look(fd, "", AT_EMPTY_PATH);
}

std::expected<struct statx, Error> look(const std::string& path) {
  return look(AT_FDCWD, path.c_str(), 0);
}

FileId id_of(const struct statx& info) {
  return {makedev(info.stx_dev_major, info.stx_dev_minor), info.stx_ino};
}

LockFile::State state_of(const struct statx& info) {
  constexpr std::int64_t kNanosecondsInSecond = 1'000'000'000;
  return {id_of(info), info.stx_ctime.tv_sec * kNanosecondsInSecond + info.stx_ctime.tv_nsec};
}

// NFS is on no block device, so most files need no fstatfs(2).
bool wants_writable(int fd, const FileId& file, Mode mode) {
  struct statfs info{};
  // f_type has 32 bits, even where its type is wider and signed.
  return major(file.device) == 0 && ::fstatfs(fd, &info) == 0 &&
         wants_writable(static_cast<std::uint32_t>(info.f_type), mode);
}

// Existing files first and without O_CREAT: with it, fs.protected_regular (proc_sys_fs(5)) refuses
// other users' files in sticky folders such as /tmp.
int open_somehow(const std::string& path) {
  const int fd = ::open(path.c_str(), O_RDONLY | kOpenFlags);
  if (fd >= 0) return fd;
  if (errno == ENOENT) return ::open(path.c_str(), O_RDONLY | O_CREAT | kOpenFlags, kCreateMode);
  if (errno == EACCES) {
    if (const int write_only = ::open(path.c_str(), O_WRONLY | kOpenFlags); write_only >= 0)
      return write_only;
    errno = EACCES;
  }
  return -1;
}

}  // namespace

std::expected<void, Error> check_path(const std::string& path) {
  if (path.empty())
    return std::unexpected(Error{Errc::invalid_params, "the path of the lock file is empty"});
  if (path.find('\0') != std::string::npos) {
    return std::unexpected(
        Error{Errc::invalid_params, fmt::format("the path {} has a NUL byte in it", shown(path))});
  }
  // PATH_MAX counts the terminating NUL: path_resolution(7).
  if (path.size() >= kMaxPathBytes) {
    return std::unexpected(
        Error{Errc::invalid_params,
              fmt::format("the path is too long: {} bytes, where {} are allowed: {}", path.size(),
                          kMaxPathBytes - 1, shorten(escape(path), 64))});
  }
  return {};
}

bool wants_writable(std::uint64_t file_system, Mode mode) {
  return file_system == NFS_SUPER_MAGIC && mode == Mode::exclusive;
}

bool is_local(int fd) {
  constexpr std::uint32_t kBcachefs = 0xca451a4e;  // these two as statfs(2) or stat(1) name them
  constexpr std::uint32_t kZfs = 0x2fc12fc1;
  constexpr std::array<std::uint32_t, 9> kLocal{
      BTRFS_SUPER_MAGIC,     EXT4_SUPER_MAGIC, F2FS_SUPER_MAGIC,
      OVERLAYFS_SUPER_MAGIC, RAMFS_MAGIC,      TMPFS_MAGIC,
      XFS_SUPER_MAGIC,       kBcachefs,        kZfs,
  };
  struct statfs info{};
  return ::fstatfs(fd, &info) == 0 &&
         std::ranges::find(kLocal, static_cast<std::uint32_t>(info.f_type)) != kLocal.end();
}

Descriptor made_writable(Descriptor file, const std::string& path) {
  Descriptor writable(::open(path.c_str(), O_RDWR | kOpenFlags));
  const auto before = identify(file.get());
  const auto now = writable ? identify(writable.get()) : before;
  // If the file is replaced later, the grant shows it (C11).
  if (!writable || !before || !now || *before != *now) return file;
  return writable;
}

std::expected<LockFile, Error> open_and_identify(const std::string& path, Mode mode) {
  if (auto checked = check_path(path); !checked) return std::unexpected(checked.error());
  Descriptor file(open_somehow(path));
  if (!file) return std::unexpected(file_error(path, errno));
  const auto info = look(file.get());
  if (!info) {
    const Error& error = info.error();
    return std::unexpected(Error{
        error.code, fmt::format("cannot lock {}: {}", shown(path), error.message), error.os_error});
  }
  if (wants_writable(file.get(), id_of(*info), mode)) file = made_writable(std::move(file), path);
  file = above_standard_streams(std::move(file));
  if (!file) return std::unexpected(file_error(path, errno));
  return LockFile{std::move(file), state_of(*info)};
}

std::expected<Descriptor, Error> open_lock_file(const std::string& path, Mode mode) {
  auto file = open_and_identify(path, mode);
  if (!file) return std::unexpected(std::move(file.error()));
  return std::move(file->descriptor);
}

std::expected<Location, Error> locate(int fd) {
  const auto info = look(fd);
  if (!info) return std::unexpected(info.error());
  const std::uint64_t mount = (info->stx_mask & STATX_MNT_ID) != 0 ? info->stx_mnt_id : 0;
  return Location{id_of(*info), mount, info->stx_nlink};
}

std::expected<FileId, Error> identify(int fd) {
  const auto info = look(fd);
  if (!info) return std::unexpected(info.error());
  return id_of(*info);
}

std::expected<FileId, Error> identify(const std::string& path) {
  const auto info = look(path);
  if (!info) return std::unexpected(info.error());
  return id_of(*info);
}

std::expected<LockFile::State, Error> look_at(const std::string& path) {
  const auto info = look(path);
  if (!info) return std::unexpected(info.error());
  return state_of(*info);
}

std::expected<std::string, Error> absolute(const std::string& path) {
  if (auto checked = check_path(path); !checked) return std::unexpected(checked.error());
  if (path.front() == '/') return path;
  std::array<char, PATH_MAX> folder{};
  if (::getcwd(folder.data(), folder.size()) == nullptr) {
    return std::unexpected(
        Error{Errc::file_error,
              fmt::format("cannot find the working folder that {} is relative to: {}", shown(path),
                          std::strerror(errno)),
              errno});
  }
  std::string joined = std::string(folder.data()) + (folder[1] == '\0' ? "" : "/") + path;
  if (auto checked = check_path(joined); !checked) return std::unexpected(checked.error());
  return joined;
}

}  // namespace locket::proto
