#include "proto/framing.hpp"

#include <fmt/core.h>

#include <utility>

namespace locket::proto {

void LineBuffer::append(std::string_view bytes) {
  drop_taken();
  buffer_ += bytes;
}

void LineBuffer::reserve(std::size_t bytes) {
  drop_taken();
  buffer_.reserve(buffer_.size() + bytes);
}

void LineBuffer::drop_taken() {
  if (begin_ == 0) return;
  buffer_.erase(0, begin_);
  scanned_ -= begin_;
  begin_ = last_ = 0;
}

std::expected<std::optional<std::string_view>, Error> LineBuffer::next() {
  const std::size_t end = buffer_.find('\n', scanned_);
  const std::size_t line_end = end == std::string::npos ? buffer_.size() : end;
  if (line_end - begin_ > max_line_) {
    return std::unexpected(
        Error{Errc::parse_error, fmt::format("the line is longer than {} bytes", max_line_)});
  }
  if (end == std::string::npos) {
    scanned_ = buffer_.size();
    return std::nullopt;
  }
  std::string_view line(buffer_.data() + begin_, end - begin_);
  last_ = std::exchange(begin_, end + 1);
  scanned_ = begin_;
  if (line.ends_with('\r')) line.remove_suffix(1);
  return line;
}

}  // namespace locket::proto
