// How a lock file is opened and told from another: the rules of C1, C11 and C12, for both sides.
//
// Blocks as long as the file system does. Thread-safe.

#pragma once

#include <cstdint>
#include <expected>
#include <string>

#include "proto/descriptor.hpp"
#include "proto/errors.hpp"
#include "proto/messages.hpp"

namespace locket::proto {

struct LockFile {
  // Which file, and when its rights, its name or its content were last changed: nanoseconds since
  // the epoch.
  struct State {
    FileId id;
    std::int64_t changed = 0;
    friend bool operator==(const State&, const State&) = default;
  };

  Descriptor descriptor;
  State state;
};

// Opens the file for locking only; creates it (mode 0666 less umask) where it is missing. Never
// truncates or writes. A file that one may only read, or only write, is opened that way. Anything
// but a regular file or a directory is refused. `path` is bytes, not escaped.
std::expected<LockFile, Error> open_and_identify(const std::string& path,
                                                 Mode mode = Mode::exclusive);
std::expected<Descriptor, Error> open_lock_file(const std::string& path,
                                                Mode mode = Mode::exclusive);

// Whether a file there can be locked that way by him alone who has it open for writing: on NFS,
// where flock(2) is a lock by fcntl(2). By statfs(2), f_type.
bool wants_writable(std::uint64_t file_system, Mode mode);

// The same file open for reading and writing, where that is permitted; else as it was.
Descriptor made_writable(Descriptor file, const std::string& path);

// Whether its file system is known to need no other machine and no other process, so that closing
// the file takes no time worth mentioning. By statfs(2), f_type, which on others may take long.
bool is_local(int fd);

// Which file it is, and through which mount it was opened: 0 where the kernel does not tell.
struct Location {
  FileId file;
  std::uint64_t mount = 0;  // as in proc_pid_mountinfo(5)
  std::uint32_t names = 0;  // in folders: 0 where it has been unlinked
};

// Asked for without waiting for a slow file system (statx(2), AT_STATX_DONT_SYNC); an error for
// anything but a regular file or a directory.
std::expected<Location, Error> locate(int fd);
std::expected<FileId, Error> identify(int fd);

// The file that the path names now; an error where there is none.
std::expected<FileId, Error> identify(const std::string& path);
std::expected<LockFile::State, Error> look_at(const std::string& path);

// Makes a relative path absolute, by the working directory of now. Does not look at the file.
std::expected<std::string, Error> absolute(const std::string& path);

// An error for a path that no file can have: empty, too long, or with a NUL byte in it.
std::expected<void, Error> check_path(const std::string& path);

}  // namespace locket::proto
