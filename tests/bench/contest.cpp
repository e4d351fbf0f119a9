#include "tests/bench/contest.hpp"

#include <fmt/format.h>
#include <sched.h>
#include <unistd.h>

#include "tests/support/process_facts.hpp"

namespace locket::bench {
namespace {

std::vector<pid_t> servers_of(Run& run, const std::string& kind) {
  if (kind == "flock") return {};
  return run.service(kind).processes();
}

Usage spent(const std::vector<pid_t>& processes, const Usage& before) {
  Usage usage = usage_of(processes);
  usage -= before;
  return usage;
}

void set_processors(const std::vector<pid_t>& processes, const cpu_set_t& processors) {
  for (const pid_t process : processes) {
    for (const pid_t thread : test::threads_of(process)) {
      ::sched_setaffinity(thread, sizeof processors, &processors);
    }
  }
}

}  // namespace

OnOneProcessor::OnOneProcessor() {
  ::sched_getaffinity(0, sizeof before_, &before_);
  keep_on({::getpid()}, 0);
}

OnOneProcessor::~OnOneProcessor() {
  set_processors({::getpid()}, before_);
}

void keep_on(const std::vector<pid_t>& processes, unsigned processor) {
  cpu_set_t one;
  CPU_ZERO(&one);
  CPU_SET(processor, &one);
  set_processors(processes, one);
}

void let_loose(const std::vector<pid_t>& processes) {
  cpu_set_t ours;
  ::sched_getaffinity(0, sizeof ours, &ours);
  set_processors(processes, ours);
}

std::string server_of(Run& run, const std::string& kind) {
  if (kind == "flock") return "none";
  return run.service(kind == "ping" ? "floor" : kind).server();
}

std::string fresh_name(Run& run) {
  static unsigned last = 0;
  return run.folder() / fmt::format("lock.{}", ++last);
}

Contestant::Contestant(Run& run, const std::string& kind, std::string who)
    : worker_(kind, server_of(run, kind), fresh_name(run)) {
  constexpr unsigned kToWarmUp = 100;
  figures_.who = std::move(who);
  worker_.pairs(kToWarmUp);
  // Only now, since PostgreSQL has a process for each connection.
  servers_ = servers_of(run, kind);
}

void Contestant::take_turn(unsigned pairs) {
  const Usage server = usage_of(servers_);
  const Usage client = usage_of({worker_.pid()});
  figures_.rounds.push_back(worker_.pairs(pairs));
  figures_.server += spent(servers_, server);
  figures_.client += spent({worker_.pid()}, client);
  figures_.operations += pairs;
}

std::optional<Contestant::CallsOfPair> Contestant::count_calls(Calls::To what, unsigned pairs) {
  const auto client = Calls::count(what, {worker_.pid()});
  const auto server = Calls::count(what, servers_);
  if (!client || !server) return std::nullopt;
  worker_.pairs(pairs);
  return CallsOfPair{static_cast<double>(client->so_far()) / pairs,
                     static_cast<double>(server->so_far()) / pairs};
}

void Contestant::keep_on(unsigned clients_processor, unsigned servers_processor) {
  bench::keep_on({worker_.pid()}, clients_processor);
  bench::keep_on(servers_, servers_processor);
}

void Contestant::let_loose() {
  bench::let_loose({worker_.pid()});
  bench::let_loose(servers_);
}

std::string described_usage(const Figures& figures) {
  const auto count = static_cast<double>(figures.operations);
  return fmt::format("CPU {:.1f} + {:.1f} µs, switches {:.1f} + {:.1f}",
                     figures.client.cpu_us / count, figures.server.cpu_us / count,
                     figures.client.switches / count, figures.server.switches / count);
}

}  // namespace locket::bench
