#include "tests/chaos/supervisor.hpp"

#include <fcntl.h>
#include <fmt/core.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <string>

#include "tests/chaos/aftermath.hpp"
#include "tests/chaos/report.hpp"

namespace locket::chaos {
namespace {

constexpr Nanoseconds kTurn = 2 * kMillisecond;
// Beyond this the machine is too busy for bounds on the daemon and the library.
constexpr Nanoseconds kStall = 50 * kMillisecond;
// Longer than any wait in a queue of a few dozen that hold for milliseconds.
constexpr Nanoseconds kStuck = 40 * kSecond;
constexpr Nanoseconds kTimeToRest = 60 * kSecond;
// Seconds beyond the requested ones, after which alarm(2) ends a run that hangs.
constexpr unsigned kOvertime = 3600;

proto::Descriptor take_signals() {
  sigset_t set{};
  ::sigemptyset(&set);
  for (const int number : {SIGCHLD, SIGINT, SIGTERM}) ::sigaddset(&set, number);
  ::sigprocmask(SIG_BLOCK, &set, nullptr);
  return proto::Descriptor(::signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
}

proto::Descriptor make_log(const std::string& path) {
  return proto::Descriptor(::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644));
}

std::string own_path() {
  return std::filesystem::read_symlink("/proc/self/exe").string();
}

}  // namespace

Supervisor::Supervisor(const Options& options)
    : options_(options),
      arena_(Arena::make()),
      world_(arena_.world()),
      signals_(take_signals()),
      daemon_log_(make_log(folder_ / "daemon.log")),
      command_log_(make_log(folder_ / "commands.log")),
      daemon_(world_, options.daemon, folder_ / "locketd.sock", daemon_log_.get(),
              Dice(options.seed)),
      crew_(arena_,
            {.self = own_path(),
             .locketctl = options.locketctl,
             .folder = folder_.path(),
             .log = command_log_.get(),
             .workers = options.workers,
             .commands = options.commands,
             .files = options.files},
            Dice(options.seed + 1)) {}

int Supervisor::run() {
  fmt::print("seed {}\n", options_.seed);
  std::fflush(stdout);
  be_in_charge();
  prepare_files();
  daemon_.start();
  began_ = last_turn_ = now();
  storm();
  come_to_rest();
  aftermath();
  end_daemon();
  tell_breaches();
  tell_logs();
  print_report({.world = world_,
                .daemon = daemon_.counts(),
                .crew = crew_.counts(),
                .observer = daemon_.observer(),
                .seconds = static_cast<double>(now() - began_) / kSecond,
                .seed = options_.seed});
  return world_.breaches.count() == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

void Supervisor::be_in_charge() {
  // Also of forked children whose parents are gone.
  ::prctl(PR_SET_CHILD_SUBREAPER, 1);
  ::alarm(options_.seconds + kOvertime);
  ::setenv("LOCKET_SOCKET", (folder_ / "locketd.sock").c_str(), 1);
}

void Supervisor::prepare_files() {
  const LockFiles files(folder_.path());
  for (unsigned file = 0; file < options_.files; ++file) files.make(file);
  world_.files_used = options_.files;
  world_.sabotage = options_.sabotage;
}

void Supervisor::storm() {
  crew_.expose(true);
  daemon_.expose(options_.daemon_faults);
  while (!storm_is_over()) turn();
}

bool Supervisor::storm_is_over() const {
  if (interrupted_) return true;
  // A breach that is provoked on purpose need be detected only once.
  const Breach broken =
      options_.sabotage == Sabotage::exclusion ? Breach::overlap : Breach::overtaken;
  if (options_.sabotage != Sabotage::none && world_.breaches.count(broken) != 0) return true;
  return now() - began_ >= options_.seconds * kSecond &&
         daemon_.counts().killed >= options_.daemon_kills &&
         crew_.counts().kills() >= options_.client_kills;
}

void Supervisor::come_to_rest() {
  crew_.expose(false);
  daemon_.expose(false);
  crew_.resume_all();
  world_.stop = true;
  const Nanoseconds deadline = now() + kTimeToRest;
  while (!crew_.gone() || !daemon_.answers() || !orphans_rest()) {
    turn();
    if (now() < deadline) continue;
    world_.breaches.add(Breach::stuck, "not all end although nothing disturbs them");
    return;
  }
}

bool Supervisor::orphans_rest() const {
  for (unsigned member = kMaxMembers; member < kAllMembers; ++member) {
    if (world_.members.at(member).process != 0) return false;
  }
  return true;
}

void Supervisor::aftermath() {
  if (!daemon_.answers()) return;
  Aftermath aftermath(world_, daemon_, LockFiles(folder_.path()));
  const Nanoseconds deadline = now() + kTimeToRest;
  while (!aftermath.is_clean() && now() < deadline) turn();
  aftermath.judge();
}

void Supervisor::end_daemon() {
  if (!daemon_.answers()) return;
  daemon_.end();
  const Nanoseconds deadline = now() + kTimeToRest;
  while (!daemon_.ended() && now() < deadline) turn();
}

// ---- A turn ----

void Supervisor::turn() {
  pollfd source{signals_.get(), POLLIN, 0};
  ::poll(&source, 1, static_cast<int>(kTurn / kMillisecond));
  if (now() - last_turn_ > kStall) world_.machine_stalled = now();
  last_turn_ = now();
  for (signalfd_siginfo info{}; ::read(signals_.get(), &info, sizeof info) == sizeof info;) {
    if (info.ssi_signo != SIGCHLD) interrupted_ = true;
  }
  reap();
  daemon_.tick();
  crew_.tick();
  find_stuck();
  tell_breaches();
  tell_progress();
}

void Supervisor::reap() {
  for (Death death; (death.pid = ::waitpid(-1, &death.status, WNOHANG)) > 0;) {
    if (daemon_.reap(death) || crew_.reap(death) || ended_well(death)) continue;
    world_.breaches.add(Breach::died, "forked child {} ended {}", death.pid, describe(death));
  }
}

void Supervisor::find_stuck() {
  const Nanoseconds time = now();
  if (time < next_search_) return;
  next_search_ = time + kSecond;
  for (unsigned index = 0; index < kSlots; ++index) {
    const Slot& slot = world_.slots.at(index);
    const std::uint64_t word = slot.waiting;
    const Nanoseconds begin = slot.deadline == kForever ? slot.asked : slot.deadline;
    if (word == 0 || time - begin < kStuck || slot.waiting != word) continue;
    world_.breaches.add(Breach::stuck, "slot {}, attempt {}, at file {}, for {} s", index,
                        Claim::of(word).attempt, Claim::of(word).file,
                        (time - slot.asked) / kSecond);
    next_search_ = time + kStuck;
  }
}

void Supervisor::tell_breaches() {
  for (const std::string& line : world_.breaches.read(told_)) {
    fmt::print("{:8.3f} s  {}\n", static_cast<double>(now() - began_) / kSecond, line);
  }
  std::fflush(stdout);
}

// The last log lines, if a process died that should not have.
void Supervisor::tell_logs() const {
  if (world_.breaches.count(Breach::died) == 0) return;
  constexpr std::size_t kLastWords = 20000;
  for (const char* name : {"commands.log", "daemon.log"}) {
    const std::string text = test::read_file(folder_ / name);
    fmt::print("{}:\n{}", name, text.substr(text.size() - std::min(text.size(), kLastWords)));
  }
}

void Supervisor::tell_progress() {
  const Nanoseconds time = now();
  if (time < next_progress_) return;
  next_progress_ = time + (::isatty(STDOUT_FILENO) == 1 ? kSecond : 10 * kSecond);
  print_progress(world_, daemon_.counts(), crew_.counts(),
                 static_cast<double>(time - began_) / kSecond);
}

}  // namespace locket::chaos
