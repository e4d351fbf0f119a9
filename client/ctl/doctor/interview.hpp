// Queries one daemon over a separate connection. Unlike Connection (client/connection.hpp), it
// neither looks for another daemon nor retries, and passes on the daemon's answers unchanged.

#pragma once

#include <chrono>
#include <expected>
#include <memory>

#include "client/channel.hpp"
#include "proto/descriptor.hpp"
#include "proto/errors.hpp"
#include "proto/messages.hpp"

namespace locketctl {

// Less than a step's time, so that the report can name what did not answer.
inline constexpr std::chrono::seconds kAnswerTime{3};

class Interview {
 public:
  explicit Interview(locket::proto::Descriptor socket);

  // Blocks for at most kAnswerTime. An error if there is no answer: Errc::timed_out,
  // Errc::connection_lost. The first call must be a Hello.
  std::expected<locket::proto::Answer, locket::proto::Error> ask(const locket::proto::Call& call);

 private:
  std::expected<std::shared_ptr<locket::client::Channel>, locket::proto::Error> channel_;
  locket::proto::RequestId last_id_ = 0;
};

// A Hello.
locket::proto::Call greeting();

}  // namespace locketctl
