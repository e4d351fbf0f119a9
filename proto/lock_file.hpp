// How lock files are opened and told from each other: the rules of C1, C11 and C12, for both sides.
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

// Opens the file for locking only; creates it (mode 0666 less umask) if it is missing. Never
// truncates or writes. A file that the caller may only read, or only write, is opened that way.
// Anything but a regular file or a directory is refused. `path` is bytes, not escaped.
std::expected<LockFile, Error> open_and_identify(const std::string& path,
                                                 Mode mode = Mode::exclusive);
std::expected<Descriptor, Error> open_lock_file(const std::string& path,
                                                Mode mode = Mode::exclusive);

// Whether locking a file in this mode needs it open for writing: on NFS, where flock(2) is a lock
// by fcntl(2). `file_system` is the f_type of statfs(2).
bool wants_writable(std::uint64_t file_system, Mode mode);

// The same file, open for reading and writing if that is permitted; else `file` as it was.
Descriptor made_writable(Descriptor file, const std::string& path);

// Whether the file's file system is known to need no other machine and no other process, so that
// closing the file takes hardly any time. By the f_type of statfs(2), a call that may take long on
// other file systems.
bool is_local(int fd);

// Which file it is, and the mount by which it was opened.
struct Location {
  FileId file;
  std::uint64_t mount = 0;  // as in proc_pid_mountinfo(5); 0 if the kernel does not tell
  std::uint32_t names = 0;  // in folders: 0 if it has been unlinked
};

// Does not wait for a slow file system (statx(2), AT_STATX_DONT_SYNC); an error for anything but a
// regular file or a directory.
std::expected<Location, Error> locate(int fd);
std::expected<FileId, Error> identify(int fd);

// The file that the path names now; an error if there is none.
std::expected<FileId, Error> identify(const std::string& path);
std::expected<LockFile::State, Error> look_at(const std::string& path);

// Makes a relative path absolute, by the current working directory. Does not look at the file.
std::expected<std::string, Error> absolute(const std::string& path);

// An error for a path that no file can have: empty, too long, or with a NUL byte in it.
std::expected<void, Error> check_path(const std::string& path);

}  // namespace locket::proto
