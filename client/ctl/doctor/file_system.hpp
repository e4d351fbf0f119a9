// What to expect of flock(2) on a file system. Pure.

#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "client/ctl/doctor/finding.hpp"

namespace locketctl {

// From proc_pid_mountinfo(5).
struct Mount {
  std::uint64_t device = 0;
  std::string type;     // "fuse.sshfs"
  std::string options;  // of the mount and of the file system: "rw,relatime,vers=4.2"
};

std::optional<Mount> mount_in(std::string_view mountinfo, std::uint64_t id);

struct FileSystem {
  std::uint64_t magic = 0;          // statfs(2), f_type
  std::optional<Mount> mount = {};  // none if unknown
  bool is_folder = false;           // whether a folder is checked; else a file
  std::uint64_t file_device = 0;    // as the file itself reports it
};

// The type's name, from the mount if there is one.
std::string name_of(const FileSystem& file_system);

Finding expectation_of(const FileSystem& file_system);

}  // namespace locketctl
