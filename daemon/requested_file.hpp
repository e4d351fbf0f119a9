// The file that a request wants to lock: passed with it, or opened here for the daemon's own user.
//
// The one place where the daemon opens a path that a client names (C14).

#pragma once

#include <deque>
#include <expected>

#include "daemon/peer.hpp"
#include "proto/descriptor.hpp"
#include "proto/errors.hpp"
#include "proto/messages.hpp"

namespace locketd {

// Takes the first of the descriptors, of which there must be one; Errc::limit_reached where it is
// empty: it was passed, and there was no room for it.
std::expected<locket::proto::Descriptor, locket::proto::Error> take_passed_file(
    std::deque<locket::proto::Descriptor>& descriptors);

// The same where there is one; opens the path, which may create the file, where there is
// none and the peer is the daemon's own user in the daemon's own mount namespace. Else
// Errc::not_permitted; Errc::invalid_params or Errc::bad_file for a path that cannot be opened.
std::expected<locket::proto::Descriptor, locket::proto::Error> take_requested_file(
    const Peer& peer, const locket::proto::Acquire& acquire,
    std::deque<locket::proto::Descriptor>& descriptors);

}  // namespace locketd
