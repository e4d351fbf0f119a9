// The bounds of the protocol. PROTOCOL.md lists them; each says why it is what it is.

#pragma once

#include <cstddef>
#include <cstdint>

namespace locket::proto {

inline constexpr int kProtocolVersion = 1;

// A path of PATH_MAX (4,096) bytes grows at most fivefold when every byte is escaped.
inline constexpr std::size_t kMaxLineBytes = 64 * 1024;
inline constexpr std::size_t kMaxPathBytes = 4096;
inline constexpr std::size_t kMaxReasonBytes = 1024;
inline constexpr std::size_t kMaxCommandBytes = 64;

// Requests are flat: an object with an object of parameters in it.
inline constexpr int kMaxNesting = 2;

// 31 years: longer than any wait that is meant, and far from the clock's own range.
inline constexpr double kMaxTimeoutSeconds = 1e9;

// Whole numbers up to here are exact in every JSON reader, also in those that keep doubles.
inline constexpr std::uint64_t kMaxExactInteger = (std::uint64_t{1} << 53) - 1;

// Waiting and held together; each costs the daemon a descriptor.
inline constexpr std::size_t kMaxRequestsPerSession = 16384;

// A page of `list`: some 100 KiB at most, so that an answer never needs a large outbox.
inline constexpr std::size_t kListPageRows = 256;

// Holders that a refusal describes; a shared lock may have thousands.
inline constexpr std::size_t kMaxHoldersInRefusal = 8;

}  // namespace locket::proto
