// The thorough reader of requests: accepts all that JSON allows, and tells what is wrong with
// anything that is no request of ours.
//
// For lines that read_flat() does not take. Owned by the function that reads one line with it; the
// object's texts are views of what is in here.

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
  // After an error, the object has what was read before it.
  std::expected<void, Error> read(std::string_view line, FlatObject& object);

 private:
  class Envelope;
  std::deque<std::string> texts_;
};

}  // namespace locket::proto
