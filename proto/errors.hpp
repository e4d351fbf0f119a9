// Every way in which a request can fail, and the one mapping between these and the wire.
//
// Shared by both sides. An Error is a value: a code that programs branch on and one line for
// people.

#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace locket::proto {

enum class Errc {
  // Those of JSON-RPC 2.0, section 5.1.
  parse_error,
  invalid_request,
  unknown_method,
  invalid_params,
  internal_error,
  // Ours, in the range that JSON-RPC leaves to servers.
  unsupported_protocol,
  timed_out,
  cancelled,
  not_held,
  bad_file,
  limit_reached,
  not_permitted,
  lost,
  not_parked,
  // Never on the wire: what only a client can find out.
  no_daemon,
  connection_lost,
  file_error,
};

struct Error {
  Errc code = Errc::internal_error;
  std::string message;
  int os_error = 0;  // errno where a system call failed, else 0
};

// A stable lower-case name, as in PROTOCOL.md: "timed_out".
std::string_view name_of(Errc code);

// The JSON-RPC number. Codes that never travel map to that of internal_error.
int wire_code(Errc code);
std::optional<Errc> from_wire_code(int code);

}  // namespace locket::proto
