// Questions to the daemon about itself and its locks, for locketctl.
//
// Each blocks for kPatience at most a page. Thread-safe.

#pragma once

#include <expected>
#include <optional>
#include <string_view>
#include <vector>

#include "client/connection.hpp"
#include "proto/errors.hpp"
#include "proto/messages.hpp"

namespace locket::client {

// All holders and waiters, a lock's together and each in the order of the daemon's pages; of one
// file only where `file` is given. Not one instant's picture when it takes several pages.
std::expected<std::vector<proto::Row>, proto::Error> list(Connection& connection,
                                                          std::optional<proto::FileId> file);

std::expected<proto::StatusReport, proto::Error> status(Connection& connection);

// From now on the session lasts until this process ends, also when an exec closes the connection.
// `command` (bytes) is what others are shown from then on.
std::expected<void, proto::Error> detach(Connection& connection, std::string_view command);

}  // namespace locket::client
