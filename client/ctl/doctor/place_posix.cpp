#include <fmt/core.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <system_error>

#include "client/ctl/doctor/place.hpp"
#include "client/holders.hpp"
#include "proto/text.hpp"

namespace locketctl {

using locket::proto::escape;

// Follows symbolic links as open(2) with O_CREAT does, which creates the file at their end.
Place place_of(const std::string& path) {
  constexpr int kMostLinks = 40;  // path_resolution(7)
  std::filesystem::path file = path;
  for (int i = 0; i < kMostLinks; ++i) {
    std::error_code not_a_link;
    const auto target = std::filesystem::read_symlink(file, not_a_link);
    if (not_a_link) break;
    file = file.parent_path() / target;
  }
  return {file.string(), file.parent_path().string()};
}

Finding look_at(const Place& place, const std::string& path, const std::string& check) {
  const std::string folder = escape(place.folder);
  struct stat info{};
  if (::stat(place.folder.c_str(), &info) != 0) {
    const std::string link = place.file == path ? "" : " that its symbolic link leads to";
    return problem(check, fmt::format("the folder {}{} does not exist", folder, link),
                   "mkdir -p " + folder);
  }
  if (!S_ISDIR(info.st_mode)) {
    return problem(check, fmt::format("{} is not a folder", folder), "choose another path");
  }
  if (::access(place.folder.c_str(), W_OK | X_OK) == 0) {
    return ok(check, fmt::format("{} is not there yet, and can be made: mode 0666 less umask",
                                 escape(path)));
  }
  if (errno == EROFS) {
    return problem(check,
                   fmt::format("{} is not there, and its file system is read-only", escape(path)),
                   "choose a path on one that can be written to");
  }
  return problem(
      check,
      fmt::format("{} is not there, and you may not make it: the folder belongs to {} "
                  "and has the mode {:04o}",
                  escape(path), locket::client::user_name(info.st_uid), info.st_mode & 07777U),
      "make the file as its owner, or choose a folder that you may write to");
}

}  // namespace locketctl
