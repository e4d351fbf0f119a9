// The thorough reader of requests: takes all that JSON allows, and knows what is wrong with what is
// no request of ours.
//
// For what read_flat() leaves. Owned by who reads one line with it; the object's texts are views of
// what is in here.

#pragma once

#include <deque>
#include <expected>
#include <string>
#include <string_view>

#include "proto/errors.hpp"
#include "proto/flat_json.hpp"

namespace locket::proto {

class RequestJson {
 public:
  // After an error, the object has what came before it.
  std::expected<void, Error> read(std::string_view line, FlatObject& object);

 private:
  class Envelope;
  std::deque<std::string> texts_;
};

}  // namespace locket::proto
