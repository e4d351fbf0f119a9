// Who is at the other end of a connection: told by the kernel, never by the client.
//
// Owned by its session. Invariant: liveness is judged by the pidfd alone, never from a pid number.

#pragma once

#include <cstdint>
#include <expected>
#include <string>

#include "proto/descriptor.hpp"
#include "proto/errors.hpp"

namespace locketd {

struct Peer {
  std::int64_t pid = 0;  // as seen from the daemon's pid namespace; 0 if not visible there
  std::uint32_t uid = 0;
  locket::proto::Descriptor process;  // pidfd; none if the kernel gave none
};

// SO_PEERCRED alone.
std::expected<Peer, locket::proto::Error> credentials_of(int socket);

// SO_PEERCRED and SO_PEERPIDFD (unix(7), Linux 6.5); pidfd_open(2) on older kernels.
std::expected<Peer, locket::proto::Error> identify_peer(int socket);

// Does not block.
bool has_ended(const Peer& peer);

// Whether a path means the same to the peer as to us. Not in a container: it has another mount
// namespace.
bool shares_our_files(const Peer& peer);

// The process's name as the kernel has it, escaped; empty if the daemon may not look.
std::string command_of(const Peer& peer);

}  // namespace locketd
