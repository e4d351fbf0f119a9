#include <cerrno>

#include "client/program_name.hpp"
#include "proto/limits.hpp"
#include "proto/text.hpp"

namespace locket::client {

std::string program_name() {
  return proto::shorten(proto::escape(program_invocation_short_name), proto::kMaxCommandBytes);
}

}  // namespace locket::client
