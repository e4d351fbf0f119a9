// What `locketctl list` shows: the daemon's rows put together by lock, with what only the caller
// can find out (user names, external holders), and its two forms.

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
  std::vector<locket::proto::Row> waiters;  // in the order of the queue
  bool external = false;                    // held by a process without the daemon
  std::optional<locket::client::ExternalHolder> external_holder;  // as far as one may look
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
