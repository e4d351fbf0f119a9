#include "tests/chaos/daemon.hpp"

#include <csignal>
#include <stdexcept>
#include <utility>

#include "tests/chaos/contender.hpp"
#include "tests/support/process_facts.hpp"

namespace locket::chaos {
namespace {

constexpr Nanoseconds kBetweenLooks = 15 * kMillisecond;
constexpr Nanoseconds kPatience = 30 * kSecond;

}  // namespace

Daemon::Daemon(World& world, std::string program, std::string socket, int log, Dice dice)
    : world_(world),
      program_(std::move(program)),
      socket_(std::move(socket)),
      log_(log),
      dice_(dice),
      observer_(world) {}

void Daemon::start() {
  ++world_.epoch;  // odd: it does not answer yet
  launch();
  while (state_ != State::up) {
    if (now() > impatient_at_) throw std::runtime_error("locketd does not start");
    sleep_for(kMillisecond);
    tick();
  }
  first_descriptors_ = descriptors();
  first_threads_ = threads();
}

std::size_t Daemon::descriptors() const {
  return test::open_descriptors(process_.pid()).size();
}

std::size_t Daemon::threads() const {
  return test::threads_of(process_.pid()).size();
}

void Daemon::launch() {
  process_ = Process::start({program_, "--socket", socket_, "--log-level", "warning"}, log_);
  ++counts_.started;
  state_ = State::starting;
  impatient_at_ = now() + kPatience;
  strike_at_ = now() + next_life();
}

void Daemon::tick() {
  const Nanoseconds time = now();
  if (state_ == State::down) {
    if (!over_ && time >= due_) launch();
    return;
  }
  if (state_ == State::stopped) {
    if (time >= due_) kill_after_stop_ ? kill() : resume();
    return;
  }
  if (state_ != State::up && time > impatient_at_) {
    world_.breaches.add(Breach::stuck, "locketd {} neither answers nor ends", process_.pid());
    impatient_at_ = kForever;
  }
  if (state_ == State::ending) return;
  if (exposed_ && time >= strike_at_) {
    strike();
  } else if (state_ == State::starting) {
    if (!observer_.connect(socket_)) return;
    state_ = State::up;
    ++world_.epoch;
  } else if (time >= look_at_) {
    observer_.look();
    look_at_ = now() + kBetweenLooks;
  }
}

bool Daemon::reap(const Death& death) {
  if (!process_ || death.pid != process_.pid()) return false;
  if (state_ != State::ending || !(may_be_killed_ ? was_killed(death) : ended_well(death))) {
    touch();
    ++world_.lives;
    world_.breaches.add(Breach::died, "locketd {} ended {}", death.pid, describe(death));
  }
  observer_.disconnect();
  process_ = Process();
  state_ = State::down;
  due_ = now() + next_gap();
  return true;
}

void Daemon::end() {
  over_ = true;
  terminate();
}

// ---- Faults ----

void Daemon::strike() {
  const std::int64_t kind = dice_.between(1, 100);
  strike_at_ = now() + next_life();
  if (kind <= 76) return kill();
  if (kind <= 84) return terminate();
  stop(kind <= 92);
}

void Daemon::touch() {
  world_.daemon_touched = now();
  if (world_.epoch % 2 == 0) ++world_.epoch;
}

void Daemon::kill() {
  if (state_ == State::starting) ++counts_.killed_starting;
  if (state_ == State::stopped) ++counts_.killed_stopped;
  ++counts_.killed;
  touch();
  ++world_.lives;
  may_be_killed_ = true;
  state_ = State::ending;
  impatient_at_ = now() + kPatience;
  process_.signal(SIGKILL);
}

void Daemon::terminate() {
  // It handles SIGTERM as soon as it has begun to listen.
  if (state_ == State::starting) return kill();
  ++counts_.terminated;
  touch();
  ++world_.lives;
  may_be_killed_ = false;
  state_ = State::ending;
  impatient_at_ = now() + kPatience;
  process_.signal(SIGTERM);
}

void Daemon::stop(bool then_kill) {
  if (state_ == State::starting) return kill();
  if (!then_kill) ++counts_.stopped;
  touch();
  kill_after_stop_ = then_kill;
  state_ = State::stopped;
  // Sometimes longer than any client waits that wants an answer at once.
  due_ = now() +
         (dice_.one_in(20) ? 1500 * kMillisecond : dice_.between(kMillisecond, 300 * kMillisecond));
  process_.signal(SIGSTOP);
}

void Daemon::resume() {
  state_ = State::up;
  process_.signal(SIGCONT);
  world_.daemon_touched = now();
  ++world_.epoch;
}

// Counted from its start. For a quarter of a second, a new daemon lets former waiters come back
// first: many lives end within that.
Nanoseconds Daemon::next_life() {
  const std::int64_t kind = dice_.between(1, 100);
  if (kind <= 60) return dice_.between(0, 250 * kMillisecond);
  if (kind <= 95) return dice_.between(250 * kMillisecond, 600 * kMillisecond);
  return dice_.between(600 * kMillisecond, 2500 * kMillisecond);
}

Nanoseconds Daemon::next_gap() {
  const std::int64_t kind = dice_.between(1, 100);
  if (kind <= 50) return 0;
  if (kind <= 96) return dice_.between(kMillisecond, 50 * kMillisecond);
  return 500 * kMillisecond;
}

}  // namespace locket::chaos
