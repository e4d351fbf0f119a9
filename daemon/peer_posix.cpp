#include <fcntl.h>
#include <fmt/core.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include "daemon/peer.hpp"
#include "proto/text.hpp"

namespace locketd {
namespace {

using locket::proto::Descriptor;
using locket::proto::Errc;
using locket::proto::Error;

#ifndef SO_PEERPIDFD
constexpr int SO_PEERPIDFD = 77;  // asm-generic/socket.h of Linux 6.5
#endif

bool out_of_descriptors(int error) {
  return error == EMFILE || error == ENFILE;
}

// None, with errno, if there is no pidfd.
Descriptor open_process(int socket, pid_t pid) {
  int fd = -1;
  socklen_t size = sizeof fd;
  if (::getsockopt(socket, SOL_SOCKET, SO_PEERPIDFD, &fd, &size) == 0) return Descriptor(fd);
  if (out_of_descriptors(errno)) return {};
  // Older kernels: the pid could have been reused between connect(2) and here, which would only
  // make us watch a wrong process; the connection's own end still ends the session.
  if (pid <= 0) return {};
  return Descriptor(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
}

}  // namespace

std::expected<Peer, Error> credentials_of(int socket) {
  ucred credentials{};
  socklen_t size = sizeof credentials;
  if (::getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &credentials, &size) != 0) {
    return std::unexpected(Error{Errc::internal_error, std::strerror(errno), errno});
  }
  return Peer{credentials.pid, credentials.uid, {}};
}

std::expected<Peer, Error> identify_peer(int socket) {
  auto peer = credentials_of(socket);
  if (!peer) return peer;
  peer->process = open_process(socket, static_cast<pid_t>(peer->pid));
  // A session can do without a pidfd. But without the room for one, it would soon fail anyway.
  if (!peer->process && out_of_descriptors(errno)) {
    return std::unexpected(Error{Errc::limit_reached, std::strerror(errno), errno});
  }
  return peer;
}

bool has_ended(const Peer& peer) {
  if (!peer.process) return false;
  pollfd process{peer.process.get(), POLLIN, 0};
  return ::poll(&process, 1, 0) > 0;
}

bool shares_our_files(const Peer& peer) {
  struct stat ours{};
  struct stat theirs{};
  return peer.pid > 0 && ::stat("/proc/self/ns/mnt", &ours) == 0 &&
         ::stat(fmt::format("/proc/{}/ns/mnt", peer.pid).c_str(), &theirs) == 0 &&
         ours.st_dev == theirs.st_dev && ours.st_ino == theirs.st_ino;
}

std::string command_of(const Peer& peer) {
  if (peer.pid <= 0) return {};
  // Not cmdline: reading that can hang on a process whose memory is a stalled file.
  const Descriptor file(
      ::open(fmt::format("/proc/{}/comm", peer.pid).c_str(), O_RDONLY | O_CLOEXEC));
  if (!file) return {};
  std::array<char, 64> name{};
  const ssize_t length = ::read(file.get(), name.data(), name.size());
  if (length <= 0) return {};
  std::string_view text(name.data(), static_cast<std::size_t>(length));
  if (text.ends_with('\n')) text.remove_suffix(1);
  return locket::proto::escape(text);
}

}  // namespace locketd
