// systemd's journal, by its native protocol (https://systemd.io/JOURNAL_NATIVE_PROTOCOL/): one
// datagram of fields per entry. Owned by the log. Never blocks.

#pragma once

#include <span>
#include <string>
#include <string_view>

#include "daemon/log.hpp"
#include "proto/descriptor.hpp"

namespace locketd {

inline constexpr char kJournalSocket[] = "/run/systemd/journal/socket";

class Journal {
 public:
  explicit Journal(std::string socket_path = kJournalSocket) : path_(std::move(socket_path)) {}

  // False if the journal is not there, or has no room now.
  bool try_send(int priority, std::string_view message, std::span<const log::Field> fields);

 private:
  const std::string path_;
  locket::proto::Descriptor socket_;  // not connected, so that a restarted journal is found
};

}  // namespace locketd
