// A line that is being written: text that grows at its end. A short one, as most are, allocates no
// memory, and appending a literal takes a few instructions: an acquire and a release are written
// with a third of the instructions that appending to a std::string takes (a tenth of the client's).
//
// A plain value, of one thread.

#pragma once

#include <array>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

namespace locket::proto {

class Line {
 public:
  Line() = default;
  Line(const Line&) = delete;
  Line& operator=(const Line&) = delete;

  [[gnu::always_inline]] Line& operator+=(std::string_view text) {
    if (text.size() > kShort - size_) {
      grow(text);
    } else {
      std::memcpy(short_.data() + size_, text.data(), text.size());
      size_ += text.size();
    }
    return *this;
  }

  void append_number(std::uint64_t number) {
    std::array<char, 20> digits;  // 2^64 has twenty
    const bool fits = digits.size() <= kShort - size_;
    char* const begin = fits ? short_.data() + size_ : digits.data();
    const char* const end = std::to_chars(begin, begin + digits.size(), number).ptr;
    if (fits) {
      size_ += static_cast<std::size_t>(end - begin);
    } else {
      grow({begin, end});
    }
  }

  // In quotes, as a JSON string. `text` must be valid UTF-8, as escaped text is.
  void append_quoted(std::string_view text) {
    *this += "\"";
    if (text.contains('"') || text.contains('\\')) {
      append_escaped(text);
    } else {
      *this += text;
    }
    *this += "\"";
  }

  // Valid until the line grows.
  [[nodiscard]] std::string_view view() const {
    return long_.empty() ? std::string_view(short_.data(), size_) : long_;
  }

 private:
  static constexpr std::size_t kShort = 256;

  void append_escaped(std::string_view text) {
    for (const char& character : text) {
      if (character == '"' || character == '\\') *this += "\\";
      *this += {&character, 1};
    }
  }

  void grow(std::string_view text) {
    if (long_.empty()) long_ = view();
    size_ = kShort;
    long_ += text;
  }

  std::array<char, kShort> short_;
  std::size_t size_ = 0;  // of short_; kShort: the text is in long_
  std::string long_;
};

}  // namespace locket::proto
