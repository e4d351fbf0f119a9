#include "tests/bench/services.hpp"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <system_error>

#include "proto/descriptor.hpp"
#include "tests/bench/locker.hpp"
#include "tests/support/daemon.hpp"
#include "tests/support/process_facts.hpp"

namespace locket::bench {
namespace {

using test::Command;
using test::eventually;
using test::TemporaryFolder;

std::string folder_for(const TemporaryFolder& folder, const std::string& name) {
  std::string path = folder / name;
  std::filesystem::create_directory(path);
  return path;
}

// A loopback port on which no process listens now.
std::string free_port() {
  const proto::Descriptor socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  auto* generic = reinterpret_cast<sockaddr*>(&address);
  if (::bind(socket.get(), generic, size) != 0 ||
      ::getsockname(socket.get(), generic, &size) != 0) {
    throw std::system_error(errno, std::generic_category(), "no free port");
  }
  return fmt::to_string(ntohs(address.sin_port));
}

bool serves(const std::string& kind, const std::string& server, const std::string& name) {
  try {
    const auto locker = find_locker(kind)(server, name);
    locker->acquire();
    locker->release();
    return true;
  } catch (const std::exception&) {
    return false;
  }
}

ServicePtr start_floor(const std::string& socket, std::vector<std::string> words) {
  auto service = std::make_unique<Service>("floor", socket, Command{std::move(words)});
  if (!eventually([&] { return test::answers(socket); })) {
    throw std::runtime_error("the floor does not start");
  }
  return service;
}

void run_to_end(const Command& command) {
  const test::Ended ended = test::run(command);
  if (ended.status != 0) throw std::runtime_error(command.words.front() + ": " + ended.errors);
}

// Where Debian and Ubuntu put PostgreSQL's programs, which are not in PATH: the newest version's.
std::string postgres_programs() {
  std::string newest;
  std::error_code none;
  for (const auto& version : std::filesystem::directory_iterator("/usr/lib/postgresql", none)) {
    newest = std::max(newest, (version.path() / "bin").string());
  }
  if (newest.empty()) throw std::runtime_error("there is no PostgreSQL in /usr/lib/postgresql");
  return newest;
}

}  // namespace

Service::Service(std::string kind, std::string server, const Command& command)
    : kind_(std::move(kind)),
      server_(std::move(server)),
      process_(std::make_unique<test::Child>(command)) {}

Service::~Service() {
  // Fast shutdown for PostgreSQL, the usual one for all others.
  process_->signal(kind_ == "postgres" ? SIGINT : SIGTERM);
  process_->finish();
}

std::vector<pid_t> Service::processes() const {
  std::vector<pid_t> all{process_->pid()};
  for (const pid_t thread : test::threads_of(process_->pid())) {
    std::ifstream children(fmt::format("/proc/{}/task/{}/children", process_->pid(), thread));
    for (pid_t child = 0; children >> child;) all.push_back(child);
  }
  return all;
}

ServicePtr start_locketd(const TemporaryFolder& folder, const std::string& name) {
  const std::string socket = folder_for(folder, name) + "/socket";
  // Limits so high that nothing is refused.
  auto command = test::Daemon::command(
      socket, {"--max-sessions-per-user", "65536", "--max-held-per-user", "1000000",
               "--max-waiting-per-user", "1000000", "--max-descriptors-per-user", "1000000"});
  auto service = std::make_unique<Service>("locket", socket, command);
  if (!eventually([&] { return test::answers(socket); })) {
    throw std::runtime_error("locketd does not start");
  }
  return service;
}

ServicePtr start_floor(const TemporaryFolder& folder, const std::string& name) {
  const std::string socket = folder / name;
  return start_floor(socket, {FLOOR, socket});
}

ServicePtr start_floor_for_many(const TemporaryFolder& folder) {
  const std::string socket = folder / "floor-for-many";
  return start_floor(socket, {FLOOR, "--many", socket});
}

Command redis_command(const std::string& folder, const std::string& socket) {
  return {{"redis-server", "--port", "0", "--unixsocket", socket, "--dir", folder, "--save", "",
           "--appendonly", "no"}};
}

ServicePtr start_redis(const TemporaryFolder& folder, const std::string& name) {
  const std::string place = folder_for(folder, name);
  const std::string socket = place + "/socket";
  auto service = std::make_unique<Service>("redis", socket, redis_command(place, socket));
  if (!eventually([&] { return serves("redis", socket, "try"); })) {
    throw std::runtime_error("redis-server does not start");
  }
  return service;
}

// It refuses to run as root.
ServicePtr start_postgres(const TemporaryFolder& folder) {
  const std::string place = folder_for(folder, "postgres");
  const auto user = test::ordinary_user();
  if (user && ::chown(place.c_str(), *user, *user) != 0) {
    throw std::system_error(errno, std::generic_category(), place);
  }
  const std::string programs = postgres_programs();
  const std::string data = place + "/data";
  Command make{{programs + "/initdb", "-D", data, "-U", "bench", "-A", "trust", "--no-sync"}};
  make.user = user;
  make.folder = place;
  run_to_end(make);

  Command command{{programs + "/postgres", "-D", data, "-k", place, "-c", "listen_addresses="}};
  command.user = user;
  command.folder = place;
  const std::string server = "host=" + place + " user=bench dbname=postgres";
  auto service = std::make_unique<Service>("postgres", server, command);
  if (!eventually([&] { return serves("postgres", server, "try"); })) {
    throw std::runtime_error("postgres does not start");
  }
  return service;
}

ServicePtr start_etcd(const TemporaryFolder& folder) {
  const std::string clients = "http://127.0.0.1:" + free_port();
  const std::string peers = "http://127.0.0.1:" + free_port();
  auto service = std::make_unique<Service>(
      "etcd", clients,
      Command{{"etcd", "--data-dir", folder / "etcd", "--listen-client-urls", clients,
               "--advertise-client-urls", clients, "--listen-peer-urls", peers,
               "--initial-advertise-peer-urls", peers, "--initial-cluster", "default=" + peers,
               "--log-level", "error"}});
  if (!eventually([&] { return serves("etcd", clients, "try"); })) {
    throw std::runtime_error("etcd does not start");
  }
  return service;
}

}  // namespace locket::bench
