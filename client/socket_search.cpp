#include "client/socket_search.hpp"

#include <fmt/format.h>

#include <cerrno>
#include <cstring>

#include "proto/lock_file.hpp"
#include "proto/socket_path.hpp"
#include "proto/text.hpp"
#include "proto/transport.hpp"

namespace locket::client {
namespace {

struct Attempt {
  std::string socket;
  int os_error = 0;
  std::string reason;
};

// "A or B (No such file or directory)", or each with its own reason if they differ.
std::string list_of(const std::vector<Attempt>& attempts) {
  std::string text;
  for (std::size_t i = 0; i < attempts.size(); ++i) {
    const bool last = i + 1 == attempts.size();
    if (i > 0) text += last ? " or " : ", ";
    text += proto::escape(attempts[i].socket);
    if (last || attempts[i].reason != attempts[i + 1].reason) {
      text += fmt::format(" ({})", attempts[i].reason);
    }
  }
  return text;
}

// About the last socket, usually the machine's.
const char* what_to_do(int os_error) {
  return os_error == EACCES ? "ask its owner to let you in"
                            : "start one with `locketd` or `systemctl start locketd.socket`";
}

// The program may change its working directory before it has to reconnect.
std::string lasting(const std::string& path) {
  const auto absolute = proto::absolute(path);
  return absolute && proto::check_socket_path(*absolute) ? *absolute : path;
}

}  // namespace

std::expected<Found, proto::Error> find_daemon(const std::vector<std::string>& sockets) {
  std::vector<Attempt> attempts;
  for (const std::string& path : sockets) {
    auto socket = proto::try_connect(path);
    if (socket) return Found{std::move(*socket), lasting(path)};
    const proto::Error& error = socket.error();
    if (error.os_error == EAGAIN) {
      return std::unexpected(
          proto::Error{proto::Errc::no_daemon,
                       fmt::format("locketd at {} does not answer: too many wait to be let in",
                                   proto::escape(path)),
                       EAGAIN});
    }
    if (error.os_error == EMFILE || error.os_error == ENFILE) {
      return std::unexpected(proto::Error{
          proto::Errc::no_daemon,
          fmt::format("cannot connect to locketd: {}; close some, or raise the limit (ulimit -n)",
                      std::strerror(error.os_error)),
          error.os_error});
    }
    // Try the next one after any error, not only for a missing socket: XDG_RUNTIME_DIR is often
    // another user's (su), which this process may not even search.
    attempts.push_back({path, error.os_error,
                        error.os_error != 0 ? std::strerror(error.os_error) : error.message});
  }
  const int os_error = attempts.empty() ? 0 : attempts.back().os_error;
  return std::unexpected(proto::Error{
      proto::Errc::no_daemon,
      fmt::format(
          "no locketd answers at {}; {}, or set LOCKET_SOCKET; `locketctl doctor` tells more",
          list_of(attempts), what_to_do(os_error)),
      os_error});
}

}  // namespace locket::client
