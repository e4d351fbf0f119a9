// Writing JSON by hand: for the codec, and for the daemon, which has no other JSON.

#pragma once

#include <algorithm>
#include <array>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace locket::proto {

// `text` is valid UTF-8: escaped text is.
inline void append_quoted(std::string& out, std::string_view text) {
  constexpr auto kSpecial = [](char c) { return c == '"' || c == '\\'; };
  out += '"';
  for (;;) {
    const auto* const special = std::ranges::find_if(text, kSpecial);
    out.append(text.begin(), special);
    if (special == text.end()) break;
    out += '\\';
    out += *special;
    text.remove_prefix(static_cast<std::size_t>(special + 1 - text.begin()));
  }
  out += '"';
}

inline void append_number(std::string& out, std::uint64_t number) {
  std::array<char, 20> digits;  // 2^64 has twenty
  char* const end = std::to_chars(digits.data(), digits.data() + digits.size(), number).ptr;
  out.append(digits.data(), end);
}

}  // namespace locket::proto
