// Queries to the daemon about itself and its locks, for locketctl.
//
// Each blocks for at most kPatience per page. Thread-safe.

#pragma once

#include <expected>
#include <optional>
#include <string_view>
#include <vector>

#include "client/connection.hpp"
#include "proto/errors.hpp"
#include "proto/messages.hpp"

namespace locket::client {

// All holders and waiters, each lock's together and in the order of the daemon's pages; only those
// of one file if `file` is given. Not a snapshot of one instant if it takes several pages.
std::expected<std::vector<proto::Row>, proto::Error> list(Connection& connection,
                                                          std::optional<proto::FileId> file);

std::expected<proto::StatusReport, proto::Error> status(Connection& connection);

// From now on the session lasts until this process ends, even if an exec closes the connection.
// `command` (bytes) is what others are shown from then on.
std::expected<void, proto::Error> detach(Connection& connection, std::string_view command);

}  // namespace locket::client
