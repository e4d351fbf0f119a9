#include "proto/framing.hpp"

#include <fmt/core.h>

namespace locket::proto {

void LineBuffer::append(std::string_view bytes) {
  if (begin_ > 0) {
    buffer_.erase(0, begin_);
    scanned_ -= begin_;
    begin_ = 0;
  }
  buffer_ += bytes;
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
  begin_ = scanned_ = end + 1;
  if (line.ends_with('\r')) line.remove_suffix(1);
  return line;
}

}  // namespace locket::proto
