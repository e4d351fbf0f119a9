#include "proto/text.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>

namespace locket::proto {
namespace {

struct Character {
  std::size_t length = 1;                   // in bytes
  std::optional<std::uint32_t> code_point;  // none: not valid UTF-8
};

bool is_continuation(char byte) {
  return (static_cast<unsigned char>(byte) & 0xC0) == 0x80;
}

// RFC 3629, section 4: no overlong forms, no surrogates, nothing above U+10FFFF.
Character decode(std::string_view text) {
  const auto lead = static_cast<unsigned char>(text[0]);
  if (lead < 0x80) return {1, lead};
  const std::size_t length = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : 2;
  if (lead < 0xC2 || lead > 0xF4 || text.size() < length) return {};
  std::uint32_t point = lead & (0x7FU >> length);
  for (std::size_t i = 1; i < length; ++i) {
    if (!is_continuation(text[i])) return {};
    point = point << 6 | (static_cast<unsigned char>(text[i]) & 0x3FU);
  }
  constexpr std::uint32_t kSmallest[] = {0, 0, 0x80, 0x800, 0x10000};
  if (point < kSmallest[length] || point > 0x10FFFF) return {};
  if (point >= 0xD800 && point <= 0xDFFF) return {};
  return {length, point};
}

// Control characters, and those that reorder or break the line around them on a terminal.
bool harmful(std::uint32_t point) {
  return point < 0x20 || (point >= 0x7F && point <= 0x9F) || point == 0x61C ||
         (point >= 0x200E && point <= 0x200F) || (point >= 0x2028 && point <= 0x202E) ||
         (point >= 0x2066 && point <= 0x2069) || point == 0xFEFF;
}

void append_escaped(std::string& out, char byte) {
  switch (byte) {
    case '\n':
      out += "\\n";
      return;
    case '\t':
      out += "\\t";
      return;
    case '\r':
      out += "\\r";
      return;
    default:
      break;
  }
  constexpr std::string_view kDigits = "0123456789abcdef";
  const auto value = static_cast<unsigned char>(byte);
  out += "\\x";
  out += kDigits[value >> 4];
  out += kDigits[value & 0xF];
}

std::string escape_harmful(std::string_view bytes, bool and_backslash) {
  std::string out;
  out.reserve(bytes.size());
  // For most texts, this is all.
  const auto plain = [&](char c) { return c >= ' ' && c <= '~' && (!and_backslash || c != '\\'); };
  const auto* const unusual = std::ranges::find_if_not(bytes, plain);
  out.append(bytes.begin(), unusual);
  bytes.remove_prefix(out.size());
  while (!bytes.empty()) {
    const Character character = decode(bytes);
    const std::string_view raw = bytes.substr(0, character.length);
    bytes.remove_prefix(character.length);
    if (!character.code_point || harmful(*character.code_point)) {
      for (const char byte : raw) append_escaped(out, byte);
    } else if (and_backslash && raw == "\\") {
      out += "\\\\";
    } else {
      out += raw;
    }
  }
  return out;
}

std::optional<unsigned> hex_digit(char digit) {
  if (digit >= '0' && digit <= '9') return static_cast<unsigned>(digit - '0');
  if (digit >= 'a' && digit <= 'f') return static_cast<unsigned>(digit - 'a') + 10;
  if (digit >= 'A' && digit <= 'F') return static_cast<unsigned>(digit - 'A') + 10;
  return std::nullopt;
}

struct Unescaped {
  std::size_t length;  // of the escape, in characters
  char byte;
};

std::optional<Unescaped> read_escape(std::string_view text) {
  if (text.size() < 2) return std::nullopt;
  switch (text[1]) {
    case '\\':
      return Unescaped{2, '\\'};
    case 'n':
      return Unescaped{2, '\n'};
    case 't':
      return Unescaped{2, '\t'};
    case 'r':
      return Unescaped{2, '\r'};
    case 'x':
      break;
    default:
      return std::nullopt;
  }
  if (text.size() < 4) return std::nullopt;
  const auto high = hex_digit(text[2]);
  const auto low = hex_digit(text[3]);
  if (!high || !low) return std::nullopt;
  return Unescaped{4, static_cast<char>(*high << 4 | *low)};
}

}  // namespace

std::string escape(std::string_view bytes) {
  return escape_harmful(bytes, true);
}

std::string printable(std::string_view text) {
  return escape_harmful(text, false);
}

std::expected<std::string, std::string> unescape(std::string_view text) {
  std::string bytes;
  bytes.reserve(text.size());
  while (!text.empty()) {
    if (text[0] != '\\') {
      bytes += text[0];
      text.remove_prefix(1);
      continue;
    }
    const auto escaped = read_escape(text);
    if (!escaped)
      return std::unexpected("a backslash must be written \\\\ or start \\n, \\t, \\r or \\xHH");
    bytes += escaped->byte;
    text.remove_prefix(escaped->length);
  }
  return bytes;
}

std::string shorten(std::string_view text, std::size_t bytes) {
  constexpr std::string_view kCut = "...";
  if (text.size() <= bytes) return std::string(text);
  const std::size_t room = bytes > kCut.size() ? bytes - kCut.size() : 0;
  std::size_t end = 0;
  while (end < text.size()) {
    const std::string_view rest = text.substr(end);
    const auto escaped = rest[0] == '\\' ? read_escape(rest) : std::nullopt;
    const std::size_t next = end + (escaped ? escaped->length : decode(rest).length);
    if (next > room) break;
    end = next;
  }
  return std::string(text.substr(0, end)) + std::string(kCut.substr(0, bytes));
}

}  // namespace locket::proto
