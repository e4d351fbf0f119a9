// What people type when they set an option: names that are nearly right, and numbers.
//
// Pure and thread-safe. The texts are for people, in one line, and escaped.

#pragma once

#include <cstdint>
#include <expected>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace locket::proto {

// Whether a part of a name means it, as --max for --max-sessions-per-user.
enum class Parts : bool { do_not_count, count };

// The one of `names` that was probably meant: few letters are wrong, missing or swapped, or it
// contains the word. Case, leading dashes, and the difference between - and _ do not count.
std::optional<std::string> nearest(std::string_view word, std::span<const std::string> names,
                                   Parts parts = Parts::count);

// " (did you mean NAME?)", or `otherwise` if no name is near.
std::string did_you_mean(std::string_view word, std::span<const std::string> names,
                         std::string_view otherwise = "");

// A value as a complaint shows it: in quotes, escaped and shortened.
std::string in_quotes(std::string_view value);

// Decimal digits only: neither 010 nor 0x1f nor " 7". The error continues after the option's name:
// " takes a whole number from 1 to 9, not "many"".
std::expected<std::uint64_t, std::string> whole_number(const std::string& text, std::uint64_t least,
                                                       std::uint64_t most);

}  // namespace locket::proto
