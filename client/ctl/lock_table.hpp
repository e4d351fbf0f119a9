// What `locketctl list` shows: the daemon's rows grouped by lock, plus what only the caller can
// find out (user names, external holders), in its two formats.

#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "client/external_holder.hpp"
#include "proto/messages.hpp"

namespace locketctl {

struct ListedLock {
  std::string path;  // escaped
  locket::proto::FileId file;
  std::vector<locket::proto::Row> holders;
  std::vector<locket::proto::Row> waiters;                        // in queue order
  bool external = false;                                          // there is an external holder
  std::optional<locket::client::ExternalHolder> external_holder;  // if it could be found
};

// Rows of one lock stay together and in order.
std::vector<ListedLock> group_by_lock(std::vector<locket::proto::Row> rows);

struct TableStyle {
  bool legend = true;
  bool colour = false;
};

std::string as_table(const std::vector<ListedLock>& locks, TableStyle style);
std::string as_json(const std::vector<ListedLock>& locks);

}  // namespace locketctl
