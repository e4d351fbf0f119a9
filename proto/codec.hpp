// Converts lines to messages and messages to lines: JSON-RPC 2.0, one object per line.
//
// The only place that knows the protocol's JSON. Pure functions, thread-safe. A line returned by
// encode ends with its line feed; a line given to decode has none.

#pragma once

#include <expected>
#include <optional>
#include <string>
#include <string_view>

#include "proto/errors.hpp"
#include "proto/line.hpp"
#include "proto/messages.hpp"

namespace locket::proto {

// A request that cannot be served, with the id for the answer if one could be read.
struct BadRequest {
  std::optional<RequestId> id;
  Error error;
  bool claim = false;         // its method takes a descriptor
  bool notification = false;  // it was one, and gets no answer
};

std::string encode(const Request& request);
std::string encode(const std::optional<RequestId>& id, const Call& call);
std::string encode(const Reply& reply);
void append(std::string& out, const Reply& reply);

// Like encode(), for the requests that every lock takes: without a copy, and without allocating
// memory for a short line.
void append(Line& out, RequestId id, const Acquire& acquire);
void append(Line& out, const Release& release);
void append(Line& out, const Unpark& unpark);
void append(Line& out, const Cancel& cancel);

std::expected<Request, BadRequest> decode_request(std::string_view line);
std::expected<Reply, Error> decode_reply(std::string_view line);

// Which request a reply answers, if its line begins as ours do. Allocates no memory.
std::optional<RequestId> id_of_reply(std::string_view line);

// True for an acquire and a reclaim, except for an acquire on a parked file.
bool takes_descriptor(const Call& call);

// The method's name on the wire.
std::string_view method_of(const Call& call);

// "exclusive" or "shared".
std::string_view name_of(Mode mode);

}  // namespace locket::proto
