#include <fmt/core.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include "proto/socket_path.hpp"
#include "proto/text.hpp"
#include "proto/transport.hpp"

namespace locket::proto {
namespace {

// SCM_MAX_FD: the kernel passes no more with one message.
constexpr std::size_t kMaxDescriptors = 253;

std::unexpected<Error> os_error(std::string_view what) {
  const int error = errno;
  return std::unexpected(
      Error{Errc::connection_lost, fmt::format("{}: {}", what, std::strerror(error)), error});
}

void collect_descriptors(msghdr& message, Descriptors& descriptors) {
  for (cmsghdr* header = CMSG_FIRSTHDR(&message); header != nullptr;
       header = CMSG_NXTHDR(&message, header)) {
    if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS) continue;
    const std::size_t count = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (std::size_t i = 0; i < count; ++i) {
      int fd = -1;
      std::memcpy(&fd, CMSG_DATA(header) + i * sizeof(int), sizeof fd);
      descriptors.emplace_back(fd);
    }
  }
}

}  // namespace

std::expected<std::size_t, Error> try_send(int socket, std::string_view bytes, int descriptor) {
  return try_send(socket, {&bytes, 1}, {&descriptor, descriptor >= 0 ? 1U : 0U});
}

std::expected<std::size_t, Error> try_send(int socket, std::span<const std::string_view> pieces,
                                           std::span<const int> descriptors) {
  constexpr int kFlags = MSG_NOSIGNAL | MSG_DONTWAIT;
  std::array<iovec, kMaxPieces> data;
  std::ranges::transform(pieces, data.begin(), [](std::string_view piece) {
    return iovec{const_cast<char*>(piece.data()), piece.size()};
  });
  msghdr message{};
  message.msg_iov = data.data();
  message.msg_iovlen = pieces.size();
  alignas(cmsghdr) std::array<char, CMSG_SPACE(kMaxPieces * sizeof(int))> control;
  if (!descriptors.empty()) {
    message.msg_control = control.data();
    message.msg_controllen = CMSG_SPACE(descriptors.size_bytes());
    cmsghdr* header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(descriptors.size_bytes());
    std::memcpy(CMSG_DATA(header), descriptors.data(), descriptors.size_bytes());
  }
  const bool plain = pieces.size() == 1 && descriptors.empty();
  for (;;) {
    const ssize_t sent = plain ? ::send(socket, pieces[0].data(), pieces[0].size(), kFlags)
                               : ::sendmsg(socket, &message, kFlags);
    if (sent >= 0) return static_cast<std::size_t>(sent);
    if (errno == EAGAIN) return 0;
    if (errno != EINTR) return os_error("cannot send");
  }
}

std::expected<Received, Error> try_receive(int socket, std::span<char> buffer,
                                           Descriptors& descriptors) {
  iovec data{buffer.data(), buffer.size()};
  alignas(cmsghdr) std::array<char, CMSG_SPACE(kMaxDescriptors * sizeof(int))> control;
  msghdr message{};
  message.msg_iov = &data;
  message.msg_iovlen = 1;
  message.msg_control = control.data();
  message.msg_controllen = control.size();
  for (;;) {
    const ssize_t received = ::recvmsg(socket, &message, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
    if (received >= 0) {
      collect_descriptors(message, descriptors);
      return Received{static_cast<std::size_t>(received), received == 0,
                      (message.msg_flags & MSG_CTRUNC) != 0};
    }
    if (errno == EAGAIN) return Received{};
    if (errno != EINTR) return os_error("cannot receive");
  }
}

std::expected<Received, Error> try_receive(int socket, std::span<char> buffer) {
  for (;;) {
    const ssize_t received = ::recv(socket, buffer.data(), buffer.size(), MSG_DONTWAIT);
    if (received >= 0) return Received{static_cast<std::size_t>(received), received == 0, false};
    if (errno == EAGAIN) return Received{};
    if (errno != EINTR) return os_error("cannot receive");
  }
}

std::expected<Descriptor, Error> try_connect(const std::string& socket_path) {
  if (auto checked = check_socket_path(socket_path); !checked)
    return std::unexpected(checked.error());
  auto socket = above_standard_streams(
      Descriptor(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)));
  if (!socket) return os_error("cannot make a socket");
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  socket_path.copy(address.sun_path, sizeof address.sun_path - 1);
  while (::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) !=
         0) {
    if (errno != EINTR) return os_error(fmt::format("cannot connect to {}", escape(socket_path)));
  }
  return socket;
}

}  // namespace locket::proto
