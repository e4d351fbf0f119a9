// Bytes and descriptors over a Unix stream socket (unix(7), SCM_RIGHTS). Never blocks.
//
// Descriptors ride with the first byte of what is sent, and arrive in the order in which they were
// sent, close-on-exec.

#pragma once

#include <cstddef>
#include <expected>
#include <span>
#include <string>
#include <string_view>

#include "proto/descriptor.hpp"
#include "proto/errors.hpp"

namespace locket::proto {

// How many bytes went out; 0 when the socket is full. The descriptor (none: -1) goes with the first
// of them. Error::os_error is the errno of send(2).
std::expected<std::size_t, Error> try_send(int socket, std::string_view bytes, int descriptor);

// The same for up to kMaxPieces in a row, with up to as many descriptors.
constexpr std::size_t kMaxPieces = 32;
std::expected<std::size_t, Error> try_send(int socket, std::span<const std::string_view> pieces,
                                           std::span<const int> descriptors);

struct Received {
  std::size_t bytes = 0;
  bool closed = false;     // the other side will send no more
  bool truncated = false;  // more descriptors came than fit; the kernel closed the rest
};

// Fills the buffer as far as the socket has bytes. No bytes and not closed: it has none now.
std::expected<Received, Error> try_receive(int socket, std::span<char> buffer,
                                           Descriptors& descriptors);

// The same without descriptors: the kernel closes those that come along.
std::expected<Received, Error> try_receive(int socket, std::span<char> buffer);

// A connected, non-blocking, close-on-exec socket. EAGAIN in Error::os_error: the daemon lives but
// its backlog is full, try again.
std::expected<Descriptor, Error> try_connect(const std::string& socket_path);

}  // namespace locket::proto
