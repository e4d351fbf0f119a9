#include "proto/errors.hpp"

#include <algorithm>
#include <array>

namespace locket::proto {
namespace {

struct Entry {
  Errc code;
  int wire;  // 0: never on the wire
  std::string_view name;
};

constexpr std::array kErrors{
    Entry{Errc::parse_error, -32700, "parse_error"},
    Entry{Errc::invalid_request, -32600, "invalid_request"},
    Entry{Errc::unknown_method, -32601, "unknown_method"},
    Entry{Errc::invalid_params, -32602, "invalid_params"},
    Entry{Errc::internal_error, -32603, "internal_error"},
    Entry{Errc::unsupported_protocol, -32000, "unsupported_protocol"},
    Entry{Errc::timed_out, -32001, "timed_out"},
    Entry{Errc::cancelled, -32002, "cancelled"},
    Entry{Errc::not_held, -32003, "not_held"},
    Entry{Errc::bad_file, -32004, "bad_file"},
    Entry{Errc::limit_reached, -32005, "limit_reached"},
    Entry{Errc::not_permitted, -32007, "not_permitted"},
    Entry{Errc::lost, -32008, "lost"},
    Entry{Errc::not_parked, -32009, "not_parked"},
    Entry{Errc::no_daemon, 0, "no_daemon"},
    Entry{Errc::connection_lost, 0, "connection_lost"},
    Entry{Errc::file_error, 0, "file_error"},
};

const Entry& entry_of(Errc code) {
  return *std::ranges::find(kErrors, code, &Entry::code);
}

}  // namespace

std::string_view name_of(Errc code) {
  return entry_of(code).name;
}

int wire_code(Errc code) {
  const int wire = entry_of(code).wire;
  return wire != 0 ? wire : entry_of(Errc::internal_error).wire;
}

std::optional<Errc> from_wire_code(int code) {
  const auto found = std::ranges::find(kErrors, code, &Entry::wire);
  if (code == 0 || found == kErrors.end()) return std::nullopt;
  return found->code;
}

}  // namespace locket::proto
