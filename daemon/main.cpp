#include <sysexits.h>

#include <csignal>
#include <cstdlib>
#include <exception>
#include <utility>

#include "daemon/descriptor_use.hpp"
#include "daemon/listener.hpp"
#include "daemon/log.hpp"
#include "daemon/options.hpp"
#include "daemon/server.hpp"
#include "daemon/service_manager.hpp"
#include "proto/text.hpp"
#include "proto/version.hpp"

namespace {

// For the server, which asks for them. One between the listener's beginning and the loop's would
// leave the socket behind.
void hold_back_end() {
  sigset_t ends{};
  ::sigemptyset(&ends);
  ::sigaddset(&ends, SIGTERM);
  ::sigaddset(&ends, SIGINT);
  ::pthread_sigmask(SIG_BLOCK, &ends, nullptr);
}

int serve(const locketd::Options& options) {
  hold_back_end();
  auto inherited = locketd::Inherited::take();
  auto listener = locketd::Listener::open(options.socket, std::move(inherited.sockets));
  if (!listener) {
    locketd::log::error("{}", listener.error().message);
    return EX_UNAVAILABLE;
  }
  locketd::log::info("locketd {} listens on {}", locket::proto::kVersion,
                     locket::proto::escape(listener->path()));
  bool all_ended = false;
  {
    locketd::Server server(std::move(*listener), options.limits, std::move(inherited.kept));
    all_ended = server.run();
  }
  locketd::log::info("stopped; holders keep their locks");
  if (!all_ended) {
    locketd::log::warning(
        "a file system does not answer: this process is gone from the system when it does");
    std::_Exit(EX_OK);  // nothing that the threads which hang in it use may be destroyed
  }
  return EX_OK;
}

}  // namespace

int main(int argc, char** argv) {
  int exit_status = EX_OK;
  const auto options = locketd::parse_options(argc, argv, exit_status);
  if (!options) return exit_status;
  locketd::log::set_level(options->log_level);
  std::signal(SIGPIPE, SIG_IGN);
  locketd::raise_descriptor_limit();
  try {
    return serve(*options);
  } catch (const std::exception& error) {
    locketd::log::error("{}", error.what());
    return EX_SOFTWARE;
  }
}
