#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <string>
#include <system_error>
#include <vector>

#include "client/ctl/doctor/checks.hpp"
#include "proto/environment.hpp"

namespace locketctl {
namespace {

constexpr char kService[] = "service";

bool exists(const std::string& path) {
  std::error_code ignored;
  return std::filesystem::exists(std::filesystem::symlink_status(path, ignored));
}

// systemd.unit(5), "Unit File Load Path": the folders in which people and packages enable units.
std::vector<std::string> unit_folders(bool users) {
  const std::string kind = users ? "user" : "system";
  std::vector<std::string> folders;
  for (const char* root : {"/etc", "/run", "/usr/local/lib", "/usr/lib", "/lib"}) {
    folders.push_back(root + ("/systemd/" + kind));
  }
  if (users) {
    using locket::proto::variable;
    const std::string usual = variable("HOME").value_or("") + "/.config";
    folders.push_back(variable("XDG_CONFIG_HOME").value_or(usual) + "/systemd/user");
  }
  return folders;
}

bool is_enabled(bool users) {
  return std::ranges::any_of(unit_folders(users), [](const std::string& folder) {
    return exists(folder + "/sockets.target.wants/locketd.socket");
  });
}

// The process that called listen(2): SO_PEERCRED, unix(7).
ucred listener_of(int socket) {
  ucred listener{};
  socklen_t size = sizeof listener;
  ::getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &listener, &size);
  return listener;
}

// If /proc may not be read, assumes that process 1 is systemd.
bool is_systemd(pid_t pid) {
  std::ifstream comm("/proc/" + std::to_string(pid) + "/comm");
  std::string name;
  return std::getline(comm, name) ? name == "systemd" : pid == 1;
}

}  // namespace

void check_service(const Contact& contact, const Tell& tell) {
  const ucred listener = listener_of(contact.socket.get());
  if (listener.pid == 0) {  // none visible from this pid namespace
    tell(ok(kService,
            "the socket is kept outside of this container: locketctl doctor tells more there"));
    return;
  }
  const bool kept = is_systemd(listener.pid);
  const bool users = kept ? listener.pid != 1 : listener.uid != 0;
  const std::string systemctl = users ? "systemctl --user " : "systemctl ";
  if (kept && is_enabled(users)) {
    tell(ok(kService,
            "systemd keeps the socket, also after the next boot, and starts the daemon for the "
            "first client"));
  } else if (kept) {
    tell(warning(kService, "systemd keeps the socket, but not after the next boot",
                 systemctl + "enable locketd.socket"));
  } else if (exists("/run/systemd/system")) {
    tell(warning(kService,
                 "the daemon listens itself, without systemd: nobody starts it when it has ended",
                 "stop it, and " + systemctl + "enable --now locketd.socket"));
  } else {
    tell(ok(kService, "the daemon listens itself; there is no systemd here that could"));
  }
}

}  // namespace locketctl
