// Writing JSON by hand: for the codec, and for the daemon, which has no other JSON.

#pragma once

#include <array>
#include <charconv>
#include <cstdint>
#include <string>
#include <string_view>

namespace locket::proto {

// `text` is valid UTF-8: escaped text is.
inline void append_quoted(std::string& out, std::string_view text) {
  out += '"';
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  out += '"';
}

inline void append_number(std::string& out, std::uint64_t number) {
  std::array<char, 20> digits;  // 2^64 has twenty
  char* const end = std::to_chars(digits.data(), digits.data() + digits.size(), number).ptr;
  out.append(digits.data(), end);
}

}  // namespace locket::proto
