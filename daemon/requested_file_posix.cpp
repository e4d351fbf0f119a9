#include <fmt/core.h>
#include <unistd.h>

#include <utility>

#include "daemon/requested_file.hpp"
#include "daemon/user_limits.hpp"
#include "proto/lock_file.hpp"
#include "proto/text.hpp"

namespace locketd {

namespace proto = locket::proto;
using proto::Descriptor;
using proto::Errc;
using proto::Error;

namespace {

std::unexpected<Error> fail(Errc code, std::string message) {
  return std::unexpected(Error{code, std::move(message)});
}

}  // namespace

std::expected<Descriptor, Error> take_passed_file(proto::Descriptors& descriptors) {
  Descriptor file = std::move(descriptors.front());
  descriptors.erase(descriptors.begin());
  if (!file) return std::unexpected(out_of_descriptors());
  return file;
}

// A path without a descriptor is opened with the daemon's rights, so only the daemon's own user may
// ask (C14). It must be absolute: a relative path is meant from the client's working folder.
std::expected<std::string, Error> path_to_open(const Peer& peer, const proto::Acquire& acquire) {
  if (peer.uid != ::geteuid() || !shares_our_files(peer)) {
    return fail(
        Errc::not_permitted,
        "no descriptor came with the request: open the file and pass it (SCM_RIGHTS); a "
        "path alone is served only to the user that locketd runs as, outside of containers");
  }
  const auto path = proto::unescape(acquire.path);
  if (!path) return fail(Errc::invalid_params, fmt::format("\"path\": {}", path.error()));
  if (auto checked = proto::check_path(*path); !checked) return std::unexpected(checked.error());
  if (!path->starts_with('/')) {
    return fail(
        Errc::invalid_params,
        fmt::format("\"path\" must be absolute where no descriptor comes with the request: {}",
                    acquire.path));
  }
  return *path;
}

std::expected<Descriptor, Error> open_path(const std::string& path) {
  auto file = proto::open_lock_file(path);
  if (!file) return fail(Errc::bad_file, file.error().message);
  return file;
}

}  // namespace locketd
