#include <fcntl.h>
#include <fmt/core.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstdint>
#include <cstdlib>

#include "daemon/log.hpp"
#include "daemon/service_manager.hpp"
#include "proto/transport.hpp"

namespace locketd {
namespace {

using locket::proto::Descriptor;

constexpr int kFirstInherited = 3;  // SD_LISTEN_FDS_START
// Tells kept descriptors from those of socket units, whose names end with .socket.
constexpr std::string_view kPrefix = "locketd-";

// A leading @ stands for the abstract namespace: sd_notify(3).
Descriptor connect_to(std::string path) {
  sockaddr_un address{};
  if (path.size() >= sizeof address.sun_path) return {};
  address.sun_family = AF_UNIX;
  path.copy(address.sun_path, sizeof address.sun_path - 1);
  if (path.front() == '@') address.sun_path[0] = '\0';
  Descriptor socket(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  const auto length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + path.size());
  if (!socket ||
      ::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), length) != 0) {
    log::warning("cannot talk to the service manager at $NOTIFY_SOCKET");
    return {};
  }
  return socket;
}

std::string take_variable(const char* name) {
  const char* value = std::getenv(name);
  std::string text = value != nullptr ? value : "";
  ::unsetenv(name);
  return text;
}

std::string cut_first(std::string& names) {
  const auto colon = names.find(':');
  std::string first = names.substr(0, colon);
  names.erase(0, colon == std::string::npos ? colon : colon + 1);
  return first;
}

std::optional<std::chrono::microseconds> take_heartbeat() {
  const std::string limit = take_variable("WATCHDOG_USEC");
  const std::string pid = take_variable("WATCHDOG_PID");
  std::int64_t microseconds = 0;
  std::from_chars(limit.data(), limit.data() + limit.size(), microseconds);
  const bool watched = pid.empty() || pid == std::to_string(::getpid());
  if (!watched || microseconds <= 0) return std::nullopt;
  return std::chrono::microseconds(microseconds) / 2;
}

}  // namespace

ServiceManager::ServiceManager() : heartbeat_(take_heartbeat()) {
  const std::string path = take_variable("NOTIFY_SOCKET");
  if (path.starts_with('/') || path.starts_with('@')) socket_ = connect_to(path);
}

// Beyond kMost, states are dropped: beats, for instance, are sent again anyhow.
void ServiceManager::tell(std::string_view state) {
  constexpr std::size_t kMost = 16;
  if (put_off_.size() >= kMost || (!is_behind() && send(state, -1))) return;
  put_off_.emplace_back(state);
}

// FDPOLL=0: otherwise the manager drops a process's descriptor as soon as the process ends, and the
// next daemon could not tell it from one that was never there.
bool ServiceManager::keep(std::string_view name, int descriptor) {
  return !is_behind() &&
         send(fmt::format("FDSTORE=1\nFDPOLL=0\nFDNAME={}{}", kPrefix, name), descriptor);
}

void ServiceManager::forget(std::string_view name) {
  std::string message = fmt::format("FDSTOREREMOVE=1\nFDNAME={}{}", kPrefix, name);
  if (is_behind() || !send(message, -1)) put_off_.push_back(std::move(message));
}

void ServiceManager::catch_up() {
  while (is_behind() && send(put_off_.front(), -1)) put_off_.pop_front();
}

// False if it may be taken later: the manager has yet to read what it was sent before.
bool ServiceManager::send(std::string_view message, int descriptor) const {
  if (!socket_) return true;
  const auto sent = locket::proto::try_send(socket_.get(), message, descriptor);
  if (sent && *sent == message.size()) return true;
  const int error = sent ? EAGAIN : sent.error().os_error;
  if (error == EAGAIN || error == ENOBUFS || error == ENOMEM || error == ETOOMANYREFS) return false;
  log::warning("the service manager did not take: {}", message.substr(0, message.find('\n')));
  return true;
}

Inherited Inherited::take() {
  const std::string pid = take_variable("LISTEN_PID");
  const std::string count = take_variable("LISTEN_FDS");
  std::string names = take_variable("LISTEN_FDNAMES");
  int number = 0;
  std::from_chars(count.data(), count.data() + count.size(), number);
  Inherited inherited;
  if (pid != std::to_string(::getpid())) return inherited;
  for (int fd = kFirstInherited; fd < kFirstInherited + number; ++fd) {
    ::fcntl(fd, F_SETFD, FD_CLOEXEC);
    std::string name = cut_first(names);
    const bool kept = name.starts_with(kPrefix);
    if (kept) name.erase(0, kPrefix.size());
    (kept ? inherited.kept : inherited.sockets).push_back({std::move(name), Descriptor(fd)});
  }
  return inherited;
}

}  // namespace locketd
