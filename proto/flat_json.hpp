// JSON in the form of requests and the usual answers: an object of plain values, at most one of
// which is itself an object of plain values.
//
// Values, and one pure function; nothing is allocated, and texts are views of what was read.

#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <variant>

#include "proto/limits.hpp"

namespace locket::proto {

using FlatValue =
    std::variant<std::nullptr_t, bool, std::uint64_t, std::int64_t, double, std::string_view>;

struct FlatField {
  std::string_view name;
  FlatValue value;
  friend bool operator==(const FlatField&, const FlatField&) = default;
};

// The members of one object, in their order.
class FlatFields {
 public:
  // False if there are kMaxMembers already.
  bool add(std::string_view name, const FlatValue& value) {
    if (count_ == fields_.size()) return false;
    fields_[count_++] = {name, value};
    return true;
  }

  // Null if there is none.
  [[nodiscard]] const FlatField* find(std::string_view name) const {
    const auto all = this->all();
    const auto found = std::ranges::find(all, name, &FlatField::name);
    return found == all.end() ? nullptr : &*found;
  }
  [[nodiscard]] std::span<const FlatField> all() const { return std::span(fields_).first(count_); }

  friend bool operator==(const FlatFields& one, const FlatFields& other) {
    return std::ranges::equal(one.all(), other.all());
  }

 private:
  std::array<FlatField, kMaxMembers> fields_;
  std::size_t count_ = 0;
};

struct FlatObject {
  FlatFields members;                          // except the inner object
  std::optional<std::string_view> inner_name;  // none: no inner object
  FlatFields inner;
  friend bool operator==(const FlatObject&, const FlatObject&) = default;
};

// Reads only the simplest form: printable ASCII without escapes, numbers without sign or exponent,
// no name twice, no more members than fit. False for everything else, right or wrong: that is for a
// thorough reader. `object` must be new.
bool read_flat(std::string_view text, FlatObject& object);

}  // namespace locket::proto
