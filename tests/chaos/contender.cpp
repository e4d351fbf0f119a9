#include "tests/chaos/contender.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <ctime>
#include <filesystem>
#include <fstream>

#include "tests/chaos/misfortune.hpp"

namespace locket::chaos {
namespace {

// How late a timeout may be: the machine is busy, and sanitizers are slow.
constexpr Nanoseconds kLateness = 3 * kSecond;

// How long a forked child may outlive its parent.
constexpr Nanoseconds kOrphanLife = 300 * kMillisecond;

double seconds(Nanoseconds time) {
  return static_cast<double>(time) / kSecond;
}

Nanoseconds holding_time(Dice& dice) {
  const std::int64_t kind = dice.between(1, 100);
  if (kind <= 55) return 0;
  if (kind <= 90) return dice.between(0, 2 * kMillisecond);
  if (kind <= 98) return dice.between(2 * kMillisecond, 10 * kMillisecond);
  // Enough for a restart or two.
  return dice.between(50 * kMillisecond, 500 * kMillisecond);
}

}  // namespace

void LockFiles::make(unsigned file) const {
  std::ofstream(path(file)).close();
  std::filesystem::create_symlink(path(file), path(file, 1));
  std::filesystem::create_hard_link(path(file), path(file, 2));
}

std::string LockFiles::path(unsigned file, unsigned name) const {
  return fmt::format("{}/{}.{}.lock", folder_, "abc"[name], file);
}

Contender::Contender(World& world, const LockFiles& files, unsigned member, unsigned thread,
                     Temper temper, Dice dice)
    : world_(world),
      files_(files),
      member_(member),
      temper_(temper),
      dice_(dice),
      participant_(world, member, thread) {}

Contender::Wish Contender::make_wish() {
  Wish wish;
  // The last file is a quiet one, whose lock is usually free.
  const unsigned last = world_.files_used - 1;
  wish.file =
      last == 0 || dice_.one_in(40) ? last : static_cast<unsigned>(dice_.between(0, last - 1));
  wish.shared = dice_.percent(30);
  if (dice_.percent(50)) return wish;
  wish.timeout = dice_.percent(40) ? 0 : dice_.between(kMillisecond, 400 * kMillisecond);
  return wish;
}

void Contender::attempt() {
  const Wish wish = make_wish();
  if (world_.sabotage != Sabotage::none && dice_.one_in(50)) {
    sabotage(wish);
    return;
  }
  locket::file_lock lock(
      files_.path(wish.file, static_cast<unsigned>(dice_.between(0, LockFiles::kNames - 1))));
  tempt_fate(lock.path());

  participant_.ask(wish.file, wish.shared,
                   wish.timeout == kForever ? kForever : now() + wish.timeout);
  lock.set_reason(participant_.reason());
  const Nanoseconds began = now();
  std::string message;
  const locket_code code = acquire(lock, wish, message);
  if (code == LOCKET_OK) {
    participant_.enter(lock.token());
    if (participant_.slot().lives != world_.lives) ++world_.counters.survived;
    hold(lock);
    release(lock);
  } else {
    judge_failure(code, message, wish, began);
  }
  participant_.finish();
  if (code == LOCKET_NO_DAEMON) sleep_for(dice_.between(kMillisecond, 5 * kMillisecond));
}

void Contender::tempt_fate(const std::string& path) {
  if (temper_ == Temper::peaceful) return;
  if (dice_.one_in(150)) die_within(world_, member_, dice_.between(1, kMillisecond));
  if (dice_.one_in(1500)) die_within_a_message(world_, member_, path);
}

void Contender::tempt_fate_inside() {
  if (temper_ == Temper::peaceful) return;
  if (dice_.one_in(60)) leave_child(world_, files_, dice_.between(0, kOrphanLife), dice_.next());
  if (dice_.one_in(400)) vanish(world_, member_);
}

locket_code Contender::acquire(locket::file_lock& lock, const Wish& wish, std::string& message) {
  const std::chrono::nanoseconds time(wish.timeout);
  try {
    if (wish.timeout == kForever) {
      wish.shared ? lock.lock_shared() : lock.lock();
      return LOCKET_OK;
    }
    bool had = false;
    if (wish.timeout == 0) {
      had = wish.shared ? lock.try_lock_shared() : lock.try_lock();
    } else {
      had = wish.shared ? lock.try_lock_shared_for(time) : lock.try_lock_for(time);
    }
    return had ? LOCKET_OK : LOCKET_TIMED_OUT;
  } catch (const locket::lock_error& error) {
    message = error.what();
    return error.code();
  }
}

void Contender::hold(locket::file_lock& lock) {
  tempt_fate_inside();
  if (const Nanoseconds time = holding_time(dice_); time > 0) {
    sleep_for(time / 2);
    participant_.look_around();
    sleep_for(time / 2);
  }
  if (!lock.is_held()) {
    world_.breaches.add(Breach::lost_hold, "file {}: attempt {} holds it no longer",
                        participant_.claim().file, participant_.reason());
  }
}

void Contender::release(locket::file_lock& lock) {
  participant_.leave();
  if (world_.epoch % 2 != 0) ++world_.counters.released_alone;
  if (dice_.percent(20)) return;  // the destructor does it
  try {
    lock.release();
  } catch (const locket::lock_error& error) {
    world_.breaches.add(Breach::lost_hold, "file {}: attempt {}: {}", participant_.claim().file,
                        participant_.reason(), error.what());
  }
}

// ---- Judging ----

void Contender::judge_failure(locket_code code, const std::string& message, const Wish& wish,
                              Nanoseconds began) {
  if (code == LOCKET_TIMED_OUT) {
    judge_timeout(wish, began);
    return;
  }
  // Only while there is no daemon, and only for a request that no daemon knew.
  const bool has_reason = !participant_.daemon_was_there() || participant_.was_stopped() ||
                          participant_.machine_stood_still();
  // The library retries for a second if one daemon after another dies before it is served.
  const bool gave_up = code == LOCKET_CONNECTION_LOST && now() - began > kSecond * 9 / 10;
  if ((code == LOCKET_NO_DAEMON || gave_up) && has_reason && !participant_.was_seen_waiting()) {
    ++world_.counters.refusals.at(static_cast<std::size_t>(Refusal::no_daemon));
    return;
  }
  world_.breaches.add(Breach::refused, "file {}: attempt {}{}: {}", wish.file,
                      participant_.reason(),
                      participant_.was_seen_waiting() ? ", which was seen to wait" : "", message);
}

void Contender::judge_timeout(const Wish& wish, Nanoseconds began) {
  ++world_.counters.refusals.at(static_cast<std::size_t>(Refusal::timed_out));
  const Nanoseconds lateness = now() - began - wish.timeout;
  if (lateness < 0) {
    world_.breaches.add(Breach::early, "file {}: attempt {} gave up after {:.6f} s, not {:.6f} s",
                        wish.file, participant_.reason(), seconds(lateness + wish.timeout),
                        seconds(wish.timeout));
  }
  if (wish.timeout == 0) participant_.refused_at_once();
  if (participant_.was_stopped()) return;
  raise_to(world_.counters.worst_lateness, lateness);
  if (lateness > kLateness && !participant_.machine_stood_still()) {
    world_.breaches.add(Breach::late, "file {}: attempt {} gave up {:.3f} s late", wish.file,
                        participant_.reason(), seconds(lateness));
  }
}

// ---- Breaking what must be detected ----

void Contender::sabotage(const Wish& wish) {
  participant_.ask(wish.file, false, kForever);
  if (world_.sabotage == Sabotage::exclusion) {
    participant_.enter(0);
    sleep_for(kMillisecond);
    participant_.leave();
  } else {
    // If it really waited, everyone would overtake it.
    participant_.note_seen();
    sleep_for(20 * kMillisecond);
  }
  participant_.finish();
}

void sleep_for(Nanoseconds time) {
  timespec left{time / kSecond, time % kSecond};
  while (::nanosleep(&left, &left) != 0 && errno == EINTR) {
  }
}

}  // namespace locket::chaos
