#include <fmt/core.h>

#include <array>
#include <memory>
#include <utility>
#include <variant>

#include "client/ctl/doctor/checks.hpp"
#include "client/ctl/doctor/interview.hpp"
#include "client/holders.hpp"
#include "proto/limits.hpp"
#include "proto/text.hpp"
#include "proto/version.hpp"

namespace locketctl {
namespace {

namespace proto = locket::proto;
using proto::printable;

constexpr char kDaemon[] = "daemon";
constexpr char kVersion[] = "version";
constexpr char kLimits[] = "limits";
constexpr char kUserLimits[] = "user limits";
constexpr char kSeeDaemon[] =
    "see what stops it: systemctl status locketd, or its state in ps; to kill it costs nobody a "
    "lock";
// Also covers a daemon that cannot start while systemd keeps its socket.
constexpr char kSeeStart[] =
    "see why it ends: systemctl status locketd; and its configuration: locketd --check-config";
constexpr char kRaiseLimit[] =
    "end what has so much, or raise that option in locketd's configuration (where it is about "
    "descriptors, LimitNOFILE= in its unit, too), and restart it";
constexpr char kSameVersion[] =
    "install locketd and liblocket of one version, and restart the older one; holders keep their "
    "locks";

// Fewer are not enough for a whole machine's daemon.
constexpr std::uint64_t kFewDescriptors = 4096;

void tell_failure(const proto::Failure& failure, const Tell& tell) {
  if (failure.protocol) {
    tell(problem(
        kVersion,
        fmt::format("the daemon speaks protocol {}, and this library protocol {}: {}",
                    *failure.protocol, proto::kProtocolVersion, printable(failure.error.message)),
        kSameVersion));
  } else {
    const bool full = failure.error.code == proto::Errc::limit_reached;
    tell(problem(kDaemon, "it refuses: " + printable(failure.error.message),
                 full ? kRaiseLimit : "as it says; its log tells more: journalctl -u locketd"));
  }
}

void tell_version(const proto::StatusReport& report, int protocol, const Tell& tell) {
  if (report.version == proto::kVersion) {
    tell(ok(kVersion,
            fmt::format("{}, as this library; both speak protocol {}", proto::kVersion, protocol)));
    return;
  }
  tell(warning(kVersion,
               fmt::format("the daemon's is {}, this library's {}; both speak protocol {}",
                           printable(report.version), proto::kVersion, protocol),
               kSameVersion));
}

// The daemon's own.
void tell_limits(const proto::StatusReport& report, const Tell& tell) {
  const std::string use = fmt::format(
      "{} of {} descriptors are open, one for each lock and two "
      "for each session",
      report.descriptors, report.descriptor_limit);
  constexpr char kMore[] = "raise LimitNOFILE= in locketd.service (or ulimit -n), and restart it";
  if (report.descriptors >= report.descriptor_limit / 8 * 7) {
    tell(problem(kLimits, use + ": it is about to refuse", kMore));
  } else if (report.descriptor_limit < kFewDescriptors) {
    tell(warning(kLimits, use + ", which does not last for many", kMore));
  } else {
    tell(ok(kLimits, use));
  }
}

// What the daemon allows each user, and how much of it the caller uses.
void tell_user_limits(const proto::UserShares& user, const Tell& tell) {
  struct Row {
    const proto::Share& share;
    const char* what;
    const char* setting;
  };
  const std::array rows{
      Row{user.sessions, "sessions", "max-sessions-per-user"},
      Row{user.held, "locks held", "max-held-per-user"},
      Row{user.waiting, "requests that wait", "max-waiting-per-user"},
      Row{user.text, "bytes of paths and reasons", "max-text-per-user"},
      Row{user.descriptors, "descriptors", "max-descriptors-per-user"},
  };
  std::string all;
  std::string scarce;
  for (const auto& [share, what, setting] : rows) {
    if (share.limit == 0) continue;  // from an older daemon
    all += fmt::format("{}{} of {} {}", all.empty() ? "" : ", ", share.has, share.limit, what);
    if (share.has >= share.limit - share.limit / 8) {
      scarce += fmt::format("{}{}", scarce.empty() ? "" : ", ", setting);
    }
  }
  if (!scarce.empty()) {
    tell(warning(kUserLimits,
                 fmt::format("you have {}: further requests will soon be refused", all),
                 fmt::format("see what has them: locketctl list; or raise {} in locketd's "
                             "configuration, and restart it",
                             scarce)));
  } else if (!all.empty()) {
    tell(ok(kUserLimits, "you have " + all));
  }
}

std::string summary_of(const proto::StatusReport& report) {
  return fmt::format("answers: pid {}, up {}; {} sessions, {} holders and {} waiters of {} locks",
                     report.pid, locket::client::duration_text(report.uptime), report.sessions,
                     report.holders, report.waiters, report.locks);
}

}  // namespace

void check_daemon(Contact contact, const Tell& tell) {
  Interview interview(std::move(contact.socket));
  const auto greeted = interview.ask(greeting());
  if (!greeted) {
    const bool ended = greeted.error().code == proto::Errc::connection_lost;
    tell(problem(kDaemon, printable(greeted.error().message), ended ? kSeeStart : kSeeDaemon));
    return;
  }
  if (const auto* failure = std::get_if<proto::Failure>(&*greeted)) {
    tell_failure(*failure, tell);
    return;
  }
  const auto* welcome = std::get_if<proto::Welcome>(&*greeted);
  const auto asked = interview.ask(proto::Status{});
  const auto* report = asked ? std::get_if<proto::StatusReport>(&*asked) : nullptr;
  if (welcome == nullptr || report == nullptr) {
    tell(problem(kDaemon, "does not speak as locketd does",
                 "see who listens at that socket: ss -xlp"));
    return;
  }
  tell(ok(kDaemon, summary_of(*report)));
  tell_version(*report, welcome->protocol, tell);
  tell_limits(*report, tell);
  tell_user_limits(report->user, tell);
}

std::vector<Step> daemon_steps() {
  const auto contact = std::make_shared<std::optional<Contact>>();
  const auto with_contact = [contact](void (*check)(const Contact&, const Tell&)) {
    return [contact, check](const Tell& tell) {
      if (*contact) check(**contact, tell);
    };
  };
  return {
      {"socket", [contact](const Tell& tell) { *contact = look_for_socket(tell); },
       "the file system of the socket hangs: set LOCKET_SOCKET to a path on a local one"},
      {"permissions", with_contact(check_permissions),
       "see whether the name service (getent passwd) answers"},
      {"service", with_contact(check_service), "see whether /proc and /etc answer"},
      {"daemon",
       [contact](const Tell& tell) {
         if (*contact) check_daemon(std::move(**contact), tell);
       },
       kSeeDaemon},
  };
}

}  // namespace locketctl
