// The bounds of the protocol. Those of the outbox are in session.hpp, that of unanswered lists in
// dispatch.cpp, and those of users in user_limits.hpp. PROTOCOL.md lists them all, each with its
// reason.

#pragma once

#include <cstddef>
#include <cstdint>

namespace locket::proto {

inline constexpr int kProtocolVersion = 1;

// A path of PATH_MAX (4,096) bytes grows at most fivefold when every byte is escaped.
inline constexpr std::size_t kMaxLineBytes = 64 * 1024;
inline constexpr std::size_t kMaxPathBytes = 4096;
inline constexpr std::size_t kMaxEscapedPathBytes = 4 * kMaxPathBytes;  // \xHH for each
inline constexpr std::size_t kMaxReasonBytes = 1024;
inline constexpr std::size_t kMaxCommandBytes = 64;

// Requests are flat: an object with an object of parameters in it.
inline constexpr int kMaxNesting = 2;

// Lines in a row that are not requests, which end a session. To answer an empty one costs the
// daemon a microsecond, and whoever wants an answer about this session's locks waits until it has
// been heard.
inline constexpr int kMaxMistakes = 256;

// No request has half as many. Each name is compared with those before it, so that the cost of a
// line would otherwise grow with the square of its length.
inline constexpr std::size_t kMaxMembers = 16;

// 31 years: longer than any wait that is meant, and far within the clock's own range.
inline constexpr double kMaxTimeoutSeconds = 1e9;

// Whole numbers up to here are exact in every JSON reader, even in those that keep doubles.
inline constexpr std::uint64_t kMaxExactInteger = (std::uint64_t{1} << 53) - 1;

// Waiting and held together; each costs the daemon a descriptor.
inline constexpr std::size_t kMaxRequestsPerSession = 16384;

// Files of one session that stay open between two holds: enough for as many threads that take locks
// all the time.
inline constexpr std::size_t kMaxParkedFiles = 64;

// Descriptors that come before their requests' lines do: what one message can carry (SCM_MAX_FD).
inline constexpr std::size_t kMaxDescriptorsAhead = 253;

// A page of `list`: about 100 KiB, and with long paths and reasons hardly more than their own
// bytes, so that an answer never needs a large outbox.
inline constexpr std::size_t kListPageRows = 256;
inline constexpr std::size_t kListPageTextBytes = 128 * 1024;

// Holders that a refusal describes; a shared lock may have thousands. Only one if its texts alone
// are longer, since many refusals may have to wait for a client that does not read.
inline constexpr std::size_t kMaxHoldersInRefusal = 8;
inline constexpr std::size_t kRefusalTextBytes = 4 * 1024;

}  // namespace locket::proto
