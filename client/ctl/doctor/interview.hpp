// Questions to one daemon over a connection of their own: unlike Connection (client/connection.hpp)
// it neither looks for another one nor tries again, and hands over what the daemon says as it is.

#pragma once

#include <chrono>
#include <expected>
#include <memory>

#include "client/channel.hpp"
#include "proto/descriptor.hpp"
#include "proto/errors.hpp"
#include "proto/messages.hpp"

namespace locketctl {

// Less than a step's time, so that it is known what did not answer.
inline constexpr std::chrono::seconds kAnswerTime{3};

class Interview {
 public:
  explicit Interview(locket::proto::Descriptor socket);

  // Blocks for kAnswerTime at most. An error where there is no answer: Errc::timed_out,
  // Errc::connection_lost. The first question has to be a Hello.
  std::expected<locket::proto::Answer, locket::proto::Error> ask(const locket::proto::Call& call);

 private:
  std::expected<std::shared_ptr<locket::client::Channel>, locket::proto::Error> channel_;
  locket::proto::RequestId last_id_ = 0;
};

// Hello.
locket::proto::Call greeting();

}  // namespace locketctl
