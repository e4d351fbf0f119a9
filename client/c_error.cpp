#include "client/c_error.hpp"

#include <cerrno>
#include <memory>

#include "client/process.hpp"
#include "proto/text.hpp"

namespace locket::client {
namespace {

locket_holder view_of(const Holder& holder) {
  locket_holder view{};
  view.pid = holder.pid;
  view.uid = holder.uid.value_or(UINT32_MAX);
  view.mode = holder.mode == proto::Mode::shared ? LOCKET_SHARED : LOCKET_EXCLUSIVE;
  view.user = holder.user.c_str();
  view.command = holder.command.c_str();
  view.reason = holder.reason.c_str();
  view.since = holder.since;
  view.held_s = holder.held;
  view.token = holder.token;
  view.external = holder.external ? 1 : 0;
  return view;
}

}  // namespace

locket_code code_of(proto::Errc code) {
  using proto::Errc;
  switch (code) {
    case Errc::timed_out:
      return LOCKET_TIMED_OUT;
    case Errc::not_held:
      return LOCKET_NOT_HELD;
    case Errc::invalid_params:
      return LOCKET_INVALID_ARGUMENT;
    case Errc::file_error:
    case Errc::bad_file:
      return LOCKET_FILE_ERROR;
    case Errc::no_daemon:
    case Errc::unsupported_protocol:  // none that we can talk to
      return LOCKET_NO_DAEMON;
    case Errc::connection_lost:
      return LOCKET_CONNECTION_LOST;
    case Errc::limit_reached:
      return LOCKET_LIMIT_REACHED;
    case Errc::not_permitted:
      return LOCKET_NOT_PERMITTED;
    case Errc::lost:
      return LOCKET_LOST;
    case Errc::parse_error:
    case Errc::invalid_request:
    case Errc::unknown_method:
    case Errc::internal_error:
    case Errc::cancelled:
    case Errc::not_parked:
      break;
  }
  return LOCKET_INTERNAL;
}

locket_code report(locket_error** out, const proto::Error& error, const std::string& path) {
  return report(out, {error, std::nullopt}, path, std::nullopt);
}

locket_code report(locket_error** out, const proto::Failure& failure, const std::string& path,
                   std::optional<proto::Seconds> timeout) {
  const locket_code code = code_of(failure.error.code);
  if (out == nullptr) return code;
  auto made = std::make_unique<locket_error>(code, failure.error);
  made->path = path;
  made->refusal = failure.refusal;
  if (code == LOCKET_TIMED_OUT) made->timeout = timeout;
  *out = made.release();
  return code;
}

locket_error* out_of_memory() {
  // Needs no memory: the text fits into the string itself.
  static locket_error error(LOCKET_INTERNAL,
                            {proto::Errc::internal_error, "out of memory", ENOMEM});
  return &error;
}

}  // namespace locket::client

const locket_error::Description& locket_error::description() const {
  std::call_once(once_, [this] { description_ = describe(); });
  return description_;
}

locket_error::Description locket_error::describe() const {
  using namespace locket;
  Description words{message, {}, {}};
  if (refusal) {
    words.holders = client::holders_of(*refusal, client::process().connection.daemon_pid());
    for (const client::Holder& holder : words.holders) {
      words.views.push_back(client::view_of(holder));
    }
    words.message = client::refusal_text(proto::escape(path), *refusal, words.holders);
  }
  if (timeout) words.message = client::timeout_text(words.message, *timeout);
  return words;
}
