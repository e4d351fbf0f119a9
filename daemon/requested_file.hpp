// The file that a request wants to lock: passed with it, or opened here for the daemon's own user.
//
// The one place where the daemon opens a path that a client names (C14).

#pragma once

#include <expected>
#include <string>

#include "daemon/peer.hpp"
#include "proto/descriptor.hpp"
#include "proto/errors.hpp"
#include "proto/messages.hpp"

namespace locketd {

// Takes the first descriptor; there must be one. Errc::limit_reached if it is empty: one was
// passed, but there was no room for it.
std::expected<locket::proto::Descriptor, locket::proto::Error> take_passed_file(
    locket::proto::Descriptors& descriptors);

// The path to open for a request that came without a descriptor, if the peer is the daemon's own
// user in the daemon's own mount namespace. Else Errc::not_permitted, or Errc::invalid_params.
std::expected<std::string, locket::proto::Error> path_to_open(
    const Peer& peer, const locket::proto::Acquire& acquire);

// May create the file. Waits as long as the file system likes (C15), so not for the loop's thread.
// Thread-safe. Errc::bad_file if it cannot be opened.
std::expected<locket::proto::Descriptor, locket::proto::Error> open_path(const std::string& path);

}  // namespace locketd
