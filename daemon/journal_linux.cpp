#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <iterator>

#include "daemon/journal.hpp"
#include "proto/text.hpp"

namespace locketd {

bool Journal::try_send(int priority, std::string_view message, std::span<const log::Field> fields) {
  if (!socket_) socket_.reset(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  sockaddr_un address{};
  if (!socket_ || path_.size() >= sizeof address.sun_path) return false;
  address.sun_family = AF_UNIX;
  path_.copy(address.sun_path, sizeof address.sun_path - 1);

  using locket::proto::printable;  // a line feed would begin another field
  std::string entry = fmt::format("PRIORITY={}\nSYSLOG_IDENTIFIER=locketd\n", priority);
  for (const auto& [name, value] : fields) {
    fmt::format_to(std::back_inserter(entry), "{}={}\n", name, printable(value));
  }
  fmt::format_to(std::back_inserter(entry), "MESSAGE={}\n", printable(message));
  return ::sendto(socket_.get(), entry.data(), entry.size(), MSG_NOSIGNAL,
                  reinterpret_cast<const sockaddr*>(&address), sizeof address) >= 0;
}

}  // namespace locketd
