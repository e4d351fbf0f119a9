#include <fmt/core.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <memory>

#include "client/ctl/doctor/checks.hpp"
#include "client/holders.hpp"
#include "proto/environment.hpp"
#include "proto/socket_path.hpp"
#include "proto/text.hpp"
#include "proto/transport.hpp"

namespace locketctl {
namespace {

namespace proto = locket::proto;

constexpr char kSocket[] = "socket";
constexpr char kPermissions[] = "permissions";
constexpr char kStart[] =
    "start a daemon: systemctl enable --now locketd.socket, or locketd itself; or set "
    "LOCKET_SOCKET "
    "to where one listens";

struct Failed {
  std::string path;
  proto::Error error;
};

bool is_missing(const Failed& failed) {
  return failed.error.os_error == ENOENT || failed.error.os_error == ENOTDIR;
}

std::string why_it(const std::string& path) {
  if (proto::variable("LOCKET_SOCKET")) return "as LOCKET_SOCKET says";
  return path == proto::kSystemSocket ? "the machine's" : "your own daemon's, in XDG_RUNTIME_DIR";
}

std::string owner_of(const struct stat& info) {
  return locket::client::user_name(info.st_uid);
}

// The mode as chmod(1) takes it.
std::string mode_of(const struct stat& info) {
  return fmt::format("{:04o}", info.st_mode & 07777U);
}

Finding refusal_of(const Failed& failed) {
  const std::string path = proto::escape(failed.path);
  struct stat info{};
  const bool there = ::stat(failed.path.c_str(), &info) == 0;
  if (there && !S_ISSOCK(info.st_mode)) {
    return problem(kSocket, fmt::format("{} is not a socket", path),
                   "move it away and start locketd again, or set LOCKET_SOCKET to the right path");
  }
  switch (failed.error.os_error) {
    case ECONNREFUSED:
      return problem(kSocket,
                     fmt::format("nobody listens at {}: a daemon that died left it behind, or its "
                                 "unit was stopped or has failed",
                                 path),
                     "start locketd again, which replaces it; where systemd keeps it, see why: "
                     "systemctl status locketd.socket locketd.service, and then: systemctl restart "
                     "locketd.socket");
    case EACCES:
      return problem(
          kSocket,
          there ? fmt::format("you may not connect to {}, which belongs to {} and has the mode {}",
                              path, owner_of(info), mode_of(info))
                : fmt::format("you may not look for {}", path),
          "ask its owner to let you in (the machine's has SocketMode=0666 and DirectoryMode=0755), "
          "or set LOCKET_SOCKET to another daemon's");
    case EAGAIN:
      return problem(kSocket, fmt::format("too many wait to be let in at {}", path),
                     "see what stops the daemon: systemctl status locketd");
    default:
      return problem(kSocket, fmt::format("{}: {}", path, failed.error.message), kStart);
  }
}

void tell_none(const std::vector<Failed>& failed, const Tell& tell) {
  std::string missing;
  for (const Failed& one : failed) {
    if (is_missing(one)) {
      missing += fmt::format("{}{}", missing.empty() ? "" : " or ", proto::escape(one.path));
    } else {
      tell(refusal_of(one));
    }
  }
  if (std::ranges::all_of(failed, is_missing)) {
    tell(problem(kSocket, "there is no socket at " + missing, kStart));
  }
}

// Clients try the next socket after any error; the user should learn that it is not the one they
// may expect.
void tell_found(const Contact& contact, const std::vector<Failed>& failed, const Tell& tell) {
  std::string text = fmt::format("{}, {}", proto::escape(contact.path), why_it(contact.path));
  for (const Failed& one : failed) {
    if (is_missing(one)) {
      text += fmt::format(" (there is none of your own at {})", proto::escape(one.path));
      continue;
    }
    Finding finding = refusal_of(one);
    finding.state = Finding::State::warning;
    tell(std::move(finding));
  }
  tell(ok(kSocket, std::move(text)));
}

// Anyone who may write to the folder may put another socket in place of this one.
std::optional<Finding> complaint_about_folder(const std::string& path, const struct stat& info,
                                              const struct stat& socket) {
  const std::string folder = proto::escape(path);
  const bool by_all = (info.st_mode & S_IWOTH) != 0;
  const bool by_group = (info.st_mode & S_IWGRP) != 0;
  if ((info.st_mode & S_ISVTX) != 0 && (by_all || by_group)) {
    return warning(kPermissions,
                   fmt::format("{} has the mode {}: while no daemon is there, others may put a "
                               "socket of theirs in its place",
                               folder, mode_of(info)),
                   "give the daemon a folder that only its user may write to");
  }
  if (by_all) {
    return problem(kPermissions,
                   fmt::format("{} has the mode {}: everybody may put another socket there", folder,
                               mode_of(info)),
                   "chmod go-w " + folder);
  }
  if (info.st_uid != 0 && info.st_uid != ::geteuid() && info.st_uid != socket.st_uid) {
    return problem(
        kPermissions,
        fmt::format("{} belongs to {}, who may put another socket there", folder, owner_of(info)),
        "let the folder belong to the daemon's user, or to root");
  }
  if (by_group) {
    return warning(kPermissions,
                   fmt::format("{} has the mode {}: its group may put another socket there", folder,
                               mode_of(info)),
                   "chmod g-w " + folder);
  }
  return std::nullopt;
}

std::optional<Finding> complaint_about_socket(const Contact& contact, const struct stat& info) {
  const std::string path = proto::escape(contact.path);
  if (info.st_uid != 0 && info.st_uid != ::geteuid()) {
    return warning(kPermissions,
                   fmt::format("{} belongs to {}: your programs pass their open lock files to a "
                               "daemon of that user's",
                               path, owner_of(info)),
                   "set LOCKET_SOCKET to a daemon of your own, if that is not what you want");
  }
  constexpr mode_t kEverybody = 0666;
  if (contact.is_machines && (info.st_mode & kEverybody) != kEverybody) {
    return warning(
        kPermissions,
        fmt::format("{} has the mode {}: not everybody may connect", path, mode_of(info)),
        "SocketMode=0666 in locketd.socket, if everybody is meant to");
  }
  return std::nullopt;
}

}  // namespace

std::optional<Contact> look_for_socket(const Tell& tell) {
  std::vector<Failed> failed;
  for (const std::string& path : proto::socket_candidates()) {
    auto socket = proto::try_connect(path);
    if (!socket) {
      failed.push_back({path, socket.error()});
      continue;
    }
    Contact contact{path, path == proto::kSystemSocket, std::move(*socket)};
    tell_found(contact, failed, tell);
    return contact;
  }
  tell_none(failed, tell);
  return std::nullopt;
}

void check_permissions(const Contact& contact, const Tell& tell) {
  const auto parent = std::filesystem::path(contact.path).parent_path();
  const std::string folder = parent.empty() ? "." : parent.string();
  struct stat socket_info{};
  struct stat folder_info{};
  if (::stat(contact.path.c_str(), &socket_info) != 0 ||
      ::stat(folder.c_str(), &folder_info) != 0) {
    tell(problem(kPermissions, fmt::format("cannot be told: {}", std::strerror(errno)),
                 "see that you may look into the socket's folder"));
    return;
  }
  const auto about_folder = complaint_about_folder(folder, folder_info, socket_info);
  const auto about_socket = complaint_about_socket(contact, socket_info);
  if (about_folder) tell(*about_folder);
  if (about_socket) tell(*about_socket);
  if (about_folder || about_socket) return;
  tell(ok(kPermissions, fmt::format("the socket is {}'s, mode {}, in a folder of {}'s, mode {}",
                                    owner_of(socket_info), mode_of(socket_info),
                                    owner_of(folder_info), mode_of(folder_info))));
}

}  // namespace locketctl
