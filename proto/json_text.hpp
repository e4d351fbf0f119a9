// Writing JSON strings by hand: for the codec, and for the daemon, which has no other JSON.

#pragma once

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

}  // namespace locket::proto
