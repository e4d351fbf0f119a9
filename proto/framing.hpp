// Bytes in, lines out. One LineBuffer per direction of a connection; owned by it, not thread-safe.
//
// Invariants:
//  1. A line never exceeds the limit: a longer one is an error, and the stream is then unusable.
//  2. A view from next() stays valid until the next call of append(), reserve() or next().

#pragma once

#include <cstddef>
#include <expected>
#include <optional>
#include <string>
#include <string_view>

#include "proto/errors.hpp"

namespace locket::proto {

class LineBuffer {
 public:
  explicit LineBuffer(std::size_t max_line) : max_line_(max_line) {}

  void append(std::string_view bytes);

  // The next whole line without its line feed (and without a carriage return before it); none when
  // more bytes are needed; an error when the line is too long.
  std::expected<std::optional<std::string_view>, Error> next();

  // Makes next() return its last line once more.
  void put_back() { begin_ = scanned_ = last_; }

  // Allocates memory for this many bytes now, so that append() need not.
  void reserve(std::size_t bytes);

  // Bytes of a line whose end has not come yet.
  [[nodiscard]] bool partial() const { return begin_ < buffer_.size(); }

  // Bytes that next() has not returned yet.
  [[nodiscard]] std::size_t pending() const { return buffer_.size() - begin_; }

 private:
  void drop_taken();

  std::size_t max_line_;
  std::string buffer_;
  std::size_t begin_ = 0;    // of the line under way
  std::size_t last_ = 0;     // where the one before it begins
  std::size_t scanned_ = 0;  // no line feed before this
};

}  // namespace locket::proto
