#include "tests/chaos/misfortune.hpp"

#include <fmt/format.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <ctime>
#include <optional>
#include <string_view>
#include <tuple>

#include "proto/lock_file.hpp"
#include "proto/transport.hpp"
#include "tests/chaos/contender.hpp"

namespace locket::chaos {
namespace {

#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
// Under ThreadSanitizer, a forked child of a process with threads cannot start one itself; and a
// thread that the child does not have may have held AddressSanitizer's allocator lock at the fork.
constexpr bool kMayFork = false;
#else
constexpr bool kMayFork = true;
#endif

// A place for a forked child among the participants; none if all are taken.
std::optional<unsigned> take_place(World& world) {
  for (unsigned member = kMaxMembers; member < kAllMembers; ++member) {
    std::int32_t nobody = 0;
    if (world.members.at(member).process.compare_exchange_strong(nobody, ::getpid())) {
      world.members.at(member).kind = Kind::orphan;
      return member;
    }
  }
  return std::nullopt;
}

void lock_as_orphan(World& world, const LockFiles& files, std::uint64_t seed) {
  const auto member = take_place(world);
  if (!member) return;
  Contender contender(world, files, *member, 0, Contender::Temper::peaceful, Dice(seed));
  contender.attempt();
  world.members.at(*member).process = 0;
}

}  // namespace

void die_within(World& world, unsigned member, Nanoseconds time) {
  sigevent event{};
  event.sigev_notify = SIGEV_SIGNAL;
  event.sigev_signo = SIGKILL;
  timer_t timer{};
  if (::timer_create(CLOCK_MONOTONIC, &event, &timer) != 0) return;
  world.members.at(member).dying = true;
  itimerspec when{};
  when.it_value = {time / kSecond, time % kSecond};
  ::timer_settime(timer, 0, &when, nullptr);
}

void die_within_a_message(World& world, unsigned member, const std::string& path) {
  world.members.at(member).dying = true;
  ++world.counters.torn;
  const auto socket = proto::try_connect(std::getenv("LOCKET_SOCKET"));
  const auto file = proto::open_lock_file(path);
  if (socket && file) {
    constexpr std::string_view kHello =
        R"({"jsonrpc":"2.0","id":1,"method":"hello","params":{"protocol":1}})";
    const std::string text =
        fmt::format("{}\n{}", kHello, R"({"jsonrpc":"2.0","id":2,"method":"acquire","par)");
    std::ignore = proto::try_send(socket->get(), text, file->get());
  }
  ::raise(SIGKILL);
  std::abort();
}

void vanish(World& world, unsigned member) {
  world.members.at(member).dying = true;
  ::_exit(EXIT_SUCCESS);
}

void leave_child(World& world, const LockFiles& files, Nanoseconds life, std::uint64_t seed) {
  if (!kMayFork) return;
  const pid_t middle = ::fork();
  if (middle < 0) return;
  if (middle > 0) {
    while (::waitpid(middle, nullptr, 0) < 0 && errno == EINTR) {
    }
    ++world.counters.forks;
    return;
  }
  // Forks twice, so that the supervisor sees its end.
  if (::fork() != 0) ::_exit(EXIT_SUCCESS);
  constexpr unsigned kLongest = 60;
  ::alarm(kLongest);
  sleep_for(life);
  if (seed % 3 == 0 && !world.stop) lock_as_orphan(world, files, seed);
  ::_exit(EXIT_SUCCESS);
}

}  // namespace locket::chaos
