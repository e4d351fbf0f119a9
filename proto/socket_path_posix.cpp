#include <fmt/core.h>
#include <sys/un.h>

#include "proto/environment.hpp"
#include "proto/socket_path.hpp"
#include "proto/text.hpp"

namespace locket::proto {

std::vector<std::string> socket_candidates() {
  if (const auto given = variable("LOCKET_SOCKET")) return {*given};
  return usual_sockets();
}

std::vector<std::string> usual_sockets() {
  std::vector<std::string> paths;
  if (const auto runtime = variable("XDG_RUNTIME_DIR")) {
    paths.push_back(*runtime + "/locket/locketd.sock");
  }
  paths.emplace_back(kSystemSocket);
  return paths;
}

std::expected<void, Error> check_socket_path(const std::string& path) {
  constexpr std::size_t kRoom = sizeof(sockaddr_un::sun_path) - 1;
  if (path.empty())
    return std::unexpected(Error{Errc::invalid_params, "the path of the socket is empty"});
  if (path.contains('\0')) {
    return std::unexpected(
        Error{Errc::invalid_params,
              fmt::format("the path of the socket has a NUL byte in it: {}", escape(path))});
  }
  if (path.size() > kRoom) {
    return std::unexpected(
        Error{Errc::invalid_params,
              fmt::format("the path of the socket is too long: {} bytes, where {} are allowed: {}",
                          path.size(), kRoom, shorten(escape(path), 64))});
  }
  return {};
}

}  // namespace locket::proto
