#include <fcntl.h>
#include <fmt/core.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <string>

#include "daemon/listener.hpp"
#include "proto/socket_path.hpp"
#include "proto/text.hpp"
#include "proto/transport.hpp"

namespace locketd {
namespace {

using locket::proto::Descriptor;
using locket::proto::Errc;
using locket::proto::Error;

constexpr int kBacklog = 4096;  // the kernel's own default for net.core.somaxconn

std::unexpected<Error> os_error(std::string what) {
  const int error = errno;
  return std::unexpected(
      Error{Errc::internal_error, fmt::format("{}: {}", what, std::strerror(error)), error});
}

std::string shown(const std::string& path) {
  return locket::proto::escape(path);
}

std::unexpected<Error> cannot_listen(const std::string& path, const std::string& why) {
  auto failure = os_error(fmt::format("cannot listen on {}{}", shown(path), why));
  failure.error().message += "; give another --socket";
  return failure;
}

// root's daemon is the machine's, for all users; a user's own is for that user alone.
bool for_all_users() {
  return ::geteuid() == 0;
}

std::expected<void, Error> make_folder(const std::string& socket_path) {
  const auto folder = std::filesystem::path(socket_path).parent_path();
  std::error_code error;
  if (folder.empty() || std::filesystem::exists(folder, error)) return {};
  // The parents get the mode that the umask gives; the last folder, which decides who may replace
  // the socket, gets ours.
  if (folder.has_parent_path()) std::filesystem::create_directories(folder.parent_path(), error);
  const mode_t mode = for_all_users() ? 0755 : 0700;
  if (::mkdir(folder.c_str(), mode) != 0) {
    if (errno == EEXIST) return {};
    return cannot_listen(socket_path,
                         fmt::format(": cannot make the folder {}", shown(folder.string())));
  }
  ::chmod(folder.c_str(), mode);  // whatever the umask
  return {};
}

std::expected<void, Error> see_that_it_is_no_other_file(const std::string& path) {
  struct stat info{};
  if (::lstat(path.c_str(), &info) != 0 || S_ISSOCK(info.st_mode)) return {};
  return std::unexpected(
      Error{Errc::not_permitted,
            fmt::format("{} is in the way: it is not a socket; remove it, or give another --socket",
                        shown(path))});
}

std::string guard_path(const std::string& socket_path) {
  return socket_path + ".lock";
}

// Held while the daemon lives. Without it, another daemon that starts at the same moment could bind
// between "nobody answers" and "unlink and bind".
std::expected<Descriptor, Error> take_guard(const std::string& socket_path) {
  const std::string path = guard_path(socket_path);
  Descriptor guard(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!guard) {
    return cannot_listen(socket_path, fmt::format(": cannot open {}", shown(path)));
  }
  if (::flock(guard.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK) return os_error(fmt::format("cannot lock {}", shown(path)));
    return std::unexpected(Error{
        Errc::not_permitted,
        fmt::format(
            "another locketd already runs on {}: stop it first, or give this one another --socket",
            shown(socket_path))});
  }
  return guard;
}

std::expected<void, Error> remove_stale(const std::string& path) {
  struct stat info{};
  if (::lstat(path.c_str(), &info) != 0) return {};
  const auto answer = locket::proto::try_connect(path);
  if (!answer && answer.error().os_error != ECONNREFUSED && answer.error().os_error != EAGAIN) {
    return std::unexpected(answer.error());
  }
  if (answer || answer.error().os_error != ECONNREFUSED) {
    return std::unexpected(Error{
        Errc::not_permitted,
        fmt::format(
            "a daemon already answers at {}: stop it first, or give this one another --socket",
            shown(path))});
  }
  if (::unlink(path.c_str()) != 0)
    return os_error(fmt::format("cannot remove the stale socket {}", shown(path)));
  return {};
}

std::expected<Descriptor, Error> bind_socket(const std::string& path) {
  Descriptor socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!socket) return os_error("cannot make a socket");
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path.copy(address.sun_path, sizeof address.sun_path - 1);
  // The umask sets the mode before any client can connect: chmod(2) would come after.
  const mode_t umask_before = ::umask(for_all_users() ? 0111 : 0177);
  const int bound =
      ::bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address);
  ::umask(umask_before);
  if (bound != 0) return cannot_listen(path, "");
  if (::listen(socket.get(), kBacklog) != 0)
    return os_error(fmt::format("cannot listen on {}", shown(path)));
  return socket;
}

// The socket from systemd must be what its unit ought to say: ListenStream= with a path.
std::expected<std::string, Error> address_of(int socket) {
  const auto option = [&](int name) {
    int value = -1;
    socklen_t size = sizeof value;
    ::getsockopt(socket, SOL_SOCKET, name, &value, &size);
    return value;
  };
  if (option(SO_DOMAIN) != AF_UNIX || option(SO_TYPE) != SOCK_STREAM ||
      option(SO_ACCEPTCONN) != 1) {
    return std::unexpected(
        Error{Errc::invalid_params,
              "the descriptor that came by LISTEN_FDS is not a listening Unix stream socket"});
  }
  sockaddr_un address{};
  socklen_t size = sizeof address;
  if (::getsockname(socket, reinterpret_cast<sockaddr*>(&address), &size) != 0) return "";
  return std::string(address.sun_path, ::strnlen(address.sun_path, sizeof address.sun_path));
}

}  // namespace

std::expected<Listener, Error> Listener::open(const std::string& path,
                                              std::vector<Inherited::Named> handed) {
  if (handed.empty()) return bind(path);
  if (handed.size() > 1) {
    return std::unexpected(
        Error{Errc::invalid_params,
              fmt::format("{} sockets came by LISTEN_FDS, but locketd takes one socket: its unit "
                          "needs one ListenStream=",
                          handed.size())});
  }
  Descriptor socket = std::move(handed.front().descriptor);
  auto address = address_of(socket.get());
  if (!address) return std::unexpected(address.error());
  ::fcntl(socket.get(), F_SETFL, ::fcntl(socket.get(), F_GETFL) | O_NONBLOCK);
  return Listener(std::move(socket), std::move(*address));
}

Listener::~Listener() {
  struct stat info{};
  if (made_ && socket_ && ::lstat(path_.c_str(), &info) == 0 && info.st_dev == made_->device &&
      info.st_ino == made_->inode) {
    ::unlink(path_.c_str());
  }
}

std::expected<Listener, Error> Listener::bind(const std::string& path) {
  if (auto checked = locket::proto::check_socket_path(path); !checked)
    return std::unexpected(checked.error());
  if (auto made = make_folder(path); !made) return std::unexpected(made.error());
  std::error_code ignored;
  // The guard's file stays when a daemon ends, however it ends.
  const bool had_predecessor = std::filesystem::exists(guard_path(path), ignored);
  if (auto free = see_that_it_is_no_other_file(path); !free) return std::unexpected(free.error());
  auto guard = take_guard(path);
  if (!guard) return std::unexpected(guard.error());
  if (auto removed = remove_stale(path); !removed) return std::unexpected(removed.error());
  auto socket = bind_socket(path);
  if (!socket) return std::unexpected(socket.error());

  Listener listener(std::move(*socket), path);
  listener.guard_ = std::move(*guard);
  listener.had_predecessor_ = had_predecessor;
  struct stat info{};
  if (::lstat(path.c_str(), &info) == 0) listener.made_ = {info.st_dev, info.st_ino};
  return listener;
}

}  // namespace locketd
