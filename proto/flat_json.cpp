#include "proto/flat_json.hpp"

#include <charconv>
#include <system_error>

namespace locket::proto {
namespace {

// Printable ASCII that needs no escapes between quotes. A table, since most of a line is text.
constexpr auto kPlain = [] {
  std::array<bool, 256> plain{};
  for (unsigned char c = ' '; c <= '~'; ++c) plain[c] = c != '"' && c != '\\';
  return plain;
}();

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

class Reader {
 public:
  explicit Reader(std::string_view text) : at_(text.data()), end_(text.data() + text.size()) {}

  bool outer_object(FlatObject& object) {
    return members(object.members, &object) && next() == '\0' && at_ == end_;
  }

 private:
  // The next character after white space; NUL at the end.
  char next() {
    while (at_ != end_ && (*at_ == ' ' || *at_ == '\t' || *at_ == '\n' || *at_ == '\r')) ++at_;
    return at_ == end_ ? '\0' : *at_;
  }
  bool take(char wanted) {
    if (next() != wanted) return false;
    ++at_;
    return true;
  }
  bool take_word(std::string_view word) {
    if (!std::string_view(at_, end_).starts_with(word)) return false;
    at_ += word.size();
    return true;
  }

  // `outer`: the object that may have an inner one; null within the inner one.
  bool members(FlatFields& fields, FlatObject* outer) {
    if (!take('{')) return false;
    if (take('}')) return true;
    do {
      const auto name = text();
      if (!name || fields.find(*name) != nullptr || !take(':')) return false;
      if (next() == '{') {
        if (outer == nullptr || !inner_object(*outer, *name)) return false;
        continue;
      }
      const bool again = outer != nullptr && outer->inner_name == *name;
      const auto value = this->value();
      if (again || !value || !fields.add(*name, *value)) return false;
    } while (take(','));
    return take('}');
  }

  bool inner_object(FlatObject& outer, std::string_view name) {
    if (outer.inner_name) return false;
    outer.inner_name = name;
    return members(outer.inner, nullptr);
  }

  std::optional<FlatValue> value() {
    switch (next()) {
      case '"':
        if (const auto text = this->text()) return FlatValue(*text);
        return std::nullopt;
      case 'n':
        if (take_word("null")) return FlatValue(nullptr);
        return std::nullopt;
      case 't':
        if (take_word("true")) return FlatValue(true);
        return std::nullopt;
      case 'f':
        if (take_word("false")) return FlatValue(false);
        return std::nullopt;
      default:
        return number();
    }
  }

  std::optional<std::string_view> text() {
    if (!take('"')) return std::nullopt;
    const char* const begin = at_;
    while (at_ != end_ && kPlain[static_cast<unsigned char>(*at_)]) ++at_;
    if (at_ == end_ || *at_ != '"') return std::nullopt;
    return std::string_view(begin, at_++);
  }

  std::optional<FlatValue> number() {
    const char* const begin = at_;
    while (at_ != end_ && is_digit(*at_)) ++at_;
    if (at_ == begin || (*begin == '0' && at_ - begin > 1)) return std::nullopt;
    if (at_ == end_ || *at_ != '.') return parsed<std::uint64_t>(begin);
    const char* const fraction = ++at_;
    while (at_ != end_ && is_digit(*at_)) ++at_;
    if (at_ == fraction) return std::nullopt;
    return parsed<double>(begin);
  }

  template <typename Number>
  std::optional<FlatValue> parsed(const char* begin) {
    Number number{};
    const auto [end, error] = std::from_chars(begin, at_, number);
    if (error != std::errc() || end != at_) return std::nullopt;
    return FlatValue(number);
  }

  const char* at_;
  const char* const end_;
};

}  // namespace

bool read_flat(std::string_view text, FlatObject& object) {
  return Reader(text).outer_object(object);
}

}  // namespace locket::proto
