// What `locketctl doctor` checks, in two groups: the daemon, and a path.
//
// The functions inspect things that may hang, and must be called by examine() only; the groups are
// steps for it.

#pragma once

#include <optional>
#include <string>
#include <vector>

#include "client/ctl/doctor/examination.hpp"
#include "client/ctl/doctor/finding.hpp"
#include "proto/descriptor.hpp"

namespace locketctl {

std::vector<Step> daemon_steps();
std::vector<Step> path_steps(const std::string& path);

// Where clients would find the daemon.
struct Contact {
  std::string path;
  bool is_machines = false;  // else a user's own, or the one in LOCKET_SOCKET
  locket::proto::Descriptor socket;
};

// Says which socket is used and why. If there is none, says why and returns none.
std::optional<Contact> look_for_socket(const Tell& tell);

void check_permissions(const Contact& contact, const Tell& tell);

// Whether systemd keeps the socket, now and after the next boot.
void check_service(const Contact& contact, const Tell& tell);

// Whether it answers, its version, protocol and limits.
void check_daemon(Contact contact, const Tell& tell);

}  // namespace locketctl
