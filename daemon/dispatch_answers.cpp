// Part of dispatch.hpp: answers to sessions.

#include <fmt/core.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cmath>
#include <cstring>
#include <utility>

#include "daemon/descriptor_use.hpp"
#include "daemon/dispatch.hpp"
#include "daemon/log.hpp"
#include "proto/limits.hpp"
#include "proto/text.hpp"
#include "proto/version.hpp"

namespace locketd {

namespace proto = locket::proto;
using proto::Errc;

namespace {

// A shortage says nothing about the file, and may be over the next time.
bool is_shortage(int os_error) {
  return os_error == EMFILE || os_error == ENFILE || os_error == ENOMEM || os_error == ENOLCK;
}

std::string why_not(int os_error) {
  if (os_error != kLockedAlready) return std::strerror(os_error);
  return "what was passed is locked already: open the file once more for each lock";
}

double seconds_between(Monotonic from, Monotonic to) {
  const double seconds = proto::Seconds(to - from).count();
  return std::round(seconds * 1e6) / 1e6;
}

double unix_time(std::chrono::system_clock::time_point time) {
  using std::chrono::milliseconds;
  const auto millis = std::chrono::duration_cast<milliseconds>(time.time_since_epoch()).count();
  return static_cast<double>(millis) / 1e3;
}

}  // namespace

Dispatch::Outcome Dispatch::handle(Client& client, const Request& request, const proto::Status&,
                                   Descriptors&) {
  if (!request.id) return {};
  const auto counts = arbiter_.counts();
  proto::StatusReport report;
  report.version = proto::kVersion;
  report.socket = proto::escape(socket_path_);
  report.pid = ::getpid();
  report.uptime = seconds_between(started_.steady, sessions_.now().steady);
  report.sessions = clients_.size();
  report.locks = counts.locks;
  report.holders = counts.holders;
  report.waiters = counts.waiters;
  report.grants = counts.grants;
  report.descriptors = descriptors_open();
  report.descriptor_limit = descriptor_limit();
  const UserHas has = what_has(client.peer->uid);
  const UserLimits limits = limits_for(has);
  report.user = {{has.sessions, limits.sessions},
                 {has.claims.held, limits.held},
                 {has.claims.waiting, limits.waiting},
                 {has.claims.text, limits.text},
                 {has.descriptors(), limits.descriptors}};
  reply(client.session, request.id, std::move(report));
  return {};
}

std::string Dispatch::summary() const {
  const auto counts = arbiter_.counts();
  return fmt::format("sessions: {}, holders: {}, waiters: {}, grants: {}", clients_.size(),
                     counts.holders, counts.waiters, counts.grants);
}

void Dispatch::perform(const Granted& event) {
  log::debug("session {}: granted {}", event.session, event.token);
  reply(event.session, event.request, proto::Grant{event.token});
  const Client& client = clients_.at(event.session);
  if (client.detached) keep_later(client);  // what the next daemon must know has changed
  supersede(client, event.token);
}

void Dispatch::perform(const Queued& event) {
  if (clients_.at(event.session).notices) {
    reply(event.session, event.request, proto::Waiting{event.ticket});
  }
}

void Dispatch::perform(const Refused& event) {
  const Claim& claim = event.entry.claim;
  proto::Failure failure;
  switch (event.cause.why) {
    case Refused::Why::timed_out:
      failure.error = {Errc::timed_out, fmt::format("{} is locked", claim.path)};
      failure.refusal = refusal_of(event);
      break;
    case Refused::Why::cancelled:
      failure.error = {Errc::cancelled,
                       fmt::format("the request for {} was cancelled", claim.path)};
      break;
    case Refused::Why::os_failed:
      failure.error = {
          is_shortage(event.cause.os_error) ? Errc::limit_reached : Errc::bad_file,
          fmt::format("cannot lock {}: {}", claim.path, why_not(event.cause.os_error))};
      break;
    case Refused::Why::lost:
      failure.error = {
          Errc::lost, fmt::format("the lock of {} was lost: the kernel has none on this descriptor",
                                  claim.path)};
      break;
  }
  tell_refusal(clients_.at(claim.session), event, failure.error);
  reply(claim.session, claim.request, std::move(failure));
}

void Dispatch::reply(SessionId session, std::optional<RequestId> id, proto::Answer answer) {
  line_.clear();
  proto::append(line_, {id, std::move(answer)});
  sessions_.send(session, line_);
}

// Notifications get no answer.
void Dispatch::acknowledge(const Client& client, const Request& request) {
  if (request.id) reply(client.session, request.id, proto::Done{});
}

// Looked up in /proc again after a while: a process may change its name, and a page has many rows.
const std::string& Dispatch::command_shown(const Client& client) const {
  constexpr std::chrono::milliseconds kFresh{20};
  const Monotonic now = sessions_.now().steady;
  if (client.told == Monotonic{} || now - client.told > kFresh) {
    client.command = command_of(*client.peer);
    client.told = now;
  }
  return client.command.empty() ? client.stated_command : client.command;
}

proto::Page Dispatch::page_of(const proto::List& list) const {
  proto::Page page;
  const Instant now = sessions_.now();
  std::size_t text = 0;
  const auto add = [&](const Entry& entry, bool external) {
    if (page.rows.size() == proto::kListPageRows || text >= proto::kListPageTextBytes) {
      const proto::Row& last = page.rows.back();
      page.next = Cursor{last.lock, last.ticket, last.state == proto::Row::State::waiting};
      return false;
    }
    page.rows.push_back(row_of(entry, external, now));
    text += entry.claim.path.size() + entry.claim.reason.size();
    return true;
  };
  if (list.file) {
    arbiter_.visit(*list.file, list.after, add);
  } else {
    arbiter_.visit(list.after, add);
  }
  return page;
}

proto::Row Dispatch::row_of(const Entry& entry, bool external, const Instant& now) const {
  const Client& client = clients_.at(entry.claim.session);
  proto::Row row;
  row.lock = entry.lock;
  row.ticket = entry.ticket;
  row.path = entry.claim.path;
  row.file = entry.claim.file;
  row.state = entry.held ? proto::Row::State::held : proto::Row::State::waiting;
  row.mode = entry.claim.mode;
  row.external = external && !entry.held;
  row.pid = client.peer->pid;
  row.uid = client.peer->uid;
  row.command = command_shown(client);
  row.reason = entry.claim.reason;
  row.since = unix_time(entry.since.wall);
  row.age = seconds_between(entry.since.steady, now.steady);
  row.token = entry.token;
  if (!entry.held && entry.claim.timeout)
    row.timeout = proto::Seconds(*entry.claim.timeout).count();
  return row;
}

proto::Refusal Dispatch::refusal_of(const Refused& event) const {
  const FileId file = event.entry.claim.file;
  const Instant now = sessions_.now();
  proto::Refusal refusal;
  refusal.path = event.entry.claim.path;
  refusal.file = file;
  refusal.external = event.cause.external;
  refusal.waiters = arbiter_.waiter_count(file);
  std::size_t text = 0;
  arbiter_.visit(file, {}, [&](const Entry& entry, bool) {
    if (!entry.held || refusal.holders.size() == proto::kMaxHoldersInRefusal) return false;
    refusal.holders.push_back(row_of(entry, false, now));
    text += entry.claim.text_bytes();
    return text < proto::kRefusalTextBytes;
  });
  refusal.holder_count = arbiter_.holder_count(file);
  return refusal;
}

}  // namespace locketd
