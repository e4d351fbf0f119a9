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
#include "proto/standard_streams.hpp"
#include "proto/text.hpp"
#include "proto/version.hpp"

namespace {

// SIG_BLOCK or SIG_UNBLOCK. A signal after the listener is opened and before the loop runs would
// leave the socket behind.
void hold_back_end(int how) {
  sigset_t ends{};
  ::sigemptyset(&ends);
  ::sigaddset(&ends, SIGTERM);
  ::sigaddset(&ends, SIGINT);
  ::pthread_sigmask(how, &ends, nullptr);
}

int serve(const locketd::Options& options) {
  hold_back_end(SIG_BLOCK);
  auto inherited = locketd::Inherited::take();
  auto listener = locketd::Listener::open(options.socket, std::move(inherited.sockets));
  if (!listener) {
    locketd::log::error("{}", listener.error().message);
    return EX_UNAVAILABLE;
  }
  locketd::log::info("locketd {} listens on {}", locket::proto::kVersion,
                     locket::proto::escape(listener->path()));
  locketd::Server::End end;
  {
    locketd::Server server(std::move(*listener), options.limits);
    hold_back_end(SIG_UNBLOCK);
    end = server.run(std::move(inherited.kept));
  }
  locketd::log::info("stopped; holders keep their locks");
  const int status = end.failed ? EX_SOFTWARE : EX_OK;
  if (end.hanging) {
    locketd::log::warning(
        "a file system does not answer: this process is gone from the system when it does");
    std::_Exit(status);  // nothing that the hanging threads use may be destroyed
  }
  return status;
}

}  // namespace

int main(int argc, char** argv) {
  locket::proto::fill_standard_streams();
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
