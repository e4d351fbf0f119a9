// Text that people read and machines carry: paths, commands and reasons are bytes that anyone may
// choose, so they travel and print escaped.
//
// The escaped form is valid UTF-8 without control characters: a backslash is `\\`, a byte of a
// control character, of a bidirectional override or of broken UTF-8 is `\n`, `\t`, `\r` or `\xHH`.
// It is reversible. All functions are pure and thread-safe.

#pragma once

#include <expected>
#include <string>
#include <string_view>

namespace locket::proto {

std::string escape(std::string_view bytes);

// The bytes again; an error text when a backslash starts no known escape.
std::expected<std::string, std::string> unescape(std::string_view text);

// Like escape, but leaves backslashes alone: makes text safe that should be escaped already.
std::string printable(std::string_view text);

// At most `bytes` bytes of escaped text, cut between characters and escapes, with "..." where cut.
std::string shorten(std::string_view text, std::size_t bytes);

}  // namespace locket::proto
