#include "client/ctl/doctor/interview.hpp"

#include <fmt/core.h>

#include <utility>

#include "client/deadline.hpp"
#include "proto/codec.hpp"
#include "proto/limits.hpp"
#include "proto/version.hpp"

namespace locketctl {

namespace proto = locket::proto;
using locket::client::Channel;
using locket::client::Clock;
using proto::Errc;
using proto::Error;

Interview::Interview(proto::Descriptor socket) : channel_(Channel::make(std::move(socket))) {}

std::expected<proto::Answer, Error> Interview::ask(const proto::Call& call) {
  if (!channel_) return std::unexpected(channel_.error());
  Channel& channel = **channel_;
  const auto until = Clock::now() + kAnswerTime;
  const proto::RequestId id = ++last_id_;
  const auto sent = channel.send(id, proto::encode(proto::Request{id, call}), -1);
  // A request that could not be sent may already have an answer, which says why.
  bool over = !sent;
  for (;;) {
    for (;;) {
      const auto line = channel.next_line();
      if (!line) return std::unexpected(line.error());
      if (!*line) break;
      auto reply = proto::decode_reply(**line);
      if (!reply) return std::unexpected(reply.error());
      // An answer without an id is what the daemon says before it hangs up.
      if (!reply->id || *reply->id == id) return std::move(reply->answer);
    }
    if (over) return std::unexpected(Error{Errc::connection_lost, "it hangs up", 0});
    if (Clock::now() >= until) {
      return std::unexpected(
          Error{Errc::timed_out, fmt::format("no answer within {} s", kAnswerTime.count()), 0});
    }
    channel.wait(until, channel.has_unsent());
    if (!channel.flush()) over = true;
    const auto intake = channel.receive();
    over = over || !intake || *intake == Channel::Intake::closed;
  }
}

proto::Call greeting() {
  proto::Hello hello;
  hello.protocol = proto::kProtocolVersion;
  hello.client = fmt::format("locketctl {}", proto::kVersion);
  return hello;
}

}  // namespace locketctl
