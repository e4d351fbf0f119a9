#include "tests/chaos/participant.hpp"

#include <fmt/format.h>

#include <cstdio>

namespace locket::chaos {
namespace {

// How long after a death, or after the daemon was touched, a free lock may look taken.
constexpr Nanoseconds kAftermath = kSecond;

}  // namespace

Participant::Participant(World& world, unsigned member, unsigned thread)
    : world_(world), index_(member * kSlotsOfMember + thread), slot_(world.slot(member, thread)) {}

void Participant::ask(unsigned file, bool shared, Nanoseconds deadline) {
  claim_ = {++slot_.attempts, file, shared};
  // The order matters: see surely_free.
  slot_.busy = claim_.word();
  begun_ = ++world_.files.at(file).begun;
  was_free_ = surely_free();
  slot_.asked = now();
  slot_.deadline = deadline;
  slot_.lives = world_.lives.load();
  slot_.epoch = world_.epoch.load();
  slot_.stops = member_of(index_).stops.load();
  slot_.waiting = claim_.word();
  note_who_waits();
}

void Participant::resume() {
  claim_ = Claim::of(slot_.busy);
  before_us_.clear();
}

std::string Participant::reason() const {
  return fmt::format("{}.{}", index_, claim_.attempt);
}

void Participant::enter(std::uint64_t token) {
  if (was_free_) ++world_.counters.free_checks;
  slot_.token = token;
  slot_.inside = claim_.word();
  slot_.waiting = 0;
  look_around();
  check_order();
  check_token(token);
  const Nanoseconds waited = now() - slot_.asked;
  if (!was_stopped()) raise_to(world_.counters.longest_wait, waited);
  const auto kind = static_cast<std::size_t>(member_of(index_).kind.load());
  ++world_.counters.grants.at(kind).at(claim_.shared ? 1 : 0);
}

void Participant::look_around() {
  for (unsigned other = 0; other < kSlots; ++other) {
    const Slot& theirs = world_.slots.at(other);
    const std::uint64_t mark = theirs.inside;
    if (mark == 0 || other == index_ || !excludes(Claim::of(mark))) continue;
    // Read the mark again, since `dying` is reset when a new process takes a dead one's place.
    if (member_of(other).dying || theirs.inside != mark) continue;
    world_.breaches.add(Breach::overlap, "file {}: {} is inside, and so is {}", claim_.file,
                        name_of(index_), name_of(other));
  }
}

void Participant::leave() {
  look_around();
  slot_.inside = 0;
}

void Participant::finish() {
  slot_.inside = 0;
  slot_.waiting = 0;
  slot_.busy = 0;
}

bool Participant::excludes(const Claim& other) const {
  return other.file == claim_.file && !(other.shared && claim_.shared);
}

const Member& Participant::member_of(unsigned slot) const {
  return world_.members.at(slot / kSlotsOfMember);
}

std::string Participant::name_of(unsigned slot) const {
  const Member& member = member_of(slot);
  const Slot& theirs = world_.slots.at(slot);
  const Claim claim = Claim::of(theirs.busy);
  return fmt::format("{} {} (slot {}, {}, attempt {}, token {})",
                     kKindNames.at(static_cast<std::size_t>(member.kind.load())),
                     member.process.load(), slot, claim.shared ? "shared" : "exclusive",
                     claim.attempt, theirs.token.load());
}

bool Participant::daemon_was_there() const {
  const std::uint64_t epoch = slot_.epoch;
  return epoch % 2 == 0 && world_.epoch == epoch;
}

bool Participant::was_stopped() const {
  return member_of(index_).stops != slot_.stops;
}

bool Participant::machine_stood_still() const {
  return world_.machine_stalled + kSecond > slot_.asked;
}

// ---- Order ----

void Participant::note_who_waits() {
  before_us_.clear();
  for (unsigned other = 0; other < kSlots; ++other) {
    const std::uint64_t word = world_.slots.at(other).waiting;
    if (word == 0 || other == index_ || !excludes(Claim::of(word))) continue;
    if (world_.slots.at(other).seen == word) before_us_.push_back({other, word});
  }
}

// Finds one that still waits although it waited before us and excludes us. It cannot have had the
// lock in between without publishing that, as it would have it still.
void Participant::check_order() {
  for (const Other& other : before_us_) {
    ++world_.counters.order_checks;
    const Slot& theirs = world_.slots.at(other.slot);
    if (theirs.waiting != other.word || theirs.deadline <= now()) continue;
    const auto excuse = excuse_of(other);
    if (member_of(other.slot).dying || theirs.waiting != other.word) continue;
    if (excuse) {
      ++world_.counters.overtaken.at(static_cast<std::size_t>(*excuse));
      continue;
    }
    world_.breaches.add(
        Breach::overtaken,
        "file {}: {} got the lock before {}, which waited {:.3f} s, {} lives of the daemon, last "
        "touched {:.3f} s ago",
        claim_.file, name_of(index_), name_of(other.slot),
        static_cast<double>(now() - theirs.asked) / kSecond, world_.lives - theirs.lives,
        static_cast<double>(now() - world_.daemon_touched) / kSecond);
  }
}

// After a restart a waiter must come back to its place within a short time. One that was stopped
// meanwhile cannot, and none can while the machine itself stands still.
std::optional<Excuse> Participant::excuse_of(const Other& other) const {
  const Slot& theirs = world_.slots.at(other.slot);
  const Member& member = member_of(other.slot);
  // locketctl gives up a granted lock if it cannot tell the daemon to watch over it.
  if (member.kind == Kind::run && world_.epoch != theirs.epoch) return Excuse::gave_up;
  if (world_.lives == theirs.lives) return std::nullopt;
  // If a deadline comes within that time, the daemon tries the lock at once.
  if (slot_.deadline <= now()) return Excuse::at_deadline;
  if (member.stops != theirs.stops) return Excuse::stopped;
  if (world_.machine_stalled + kSecond > theirs.asked) return Excuse::machine_stalled;
  return std::nullopt;
}

void Participant::check_token(std::uint64_t token) {
  if (token == 0) return;  // flock(1) gets no token
  File& file = world_.files.at(claim_.file);
  const std::uint64_t above = claim_.shared ? file.exclusive_token : file.token;
  if (token <= above) {
    world_.breaches.add(Breach::old_token, "file {}: {} has {}, after {}", claim_.file,
                        name_of(index_), token, above);
  }
  raise_to(file.token, token);
  if (!claim_.shared) raise_to(file.exclusive_token, token);
}

// ---- Free locks ----

// No other slot is busy with the file now. A later one shows in `begun`, since busy is set before
// that is counted.
bool Participant::surely_free() const {
  const Nanoseconds quiet_since = now() - kAftermath;
  if (world_.epoch % 2 != 0 || world_.daemon_touched > quiet_since ||
      world_.machine_stalled > quiet_since ||
      world_.files.at(claim_.file).last_death > quiet_since) {
    return false;
  }
  for (unsigned other = 0; other < kSlots; ++other) {
    const std::uint64_t word = world_.slots.at(other).busy;
    if (word != 0 && other != index_ && Claim::of(word).file == claim_.file) return false;
  }
  return true;
}

void Participant::refused_at_once() {
  if (!was_free_ || !daemon_was_there() || was_stopped()) return;
  const File& file = world_.files.at(claim_.file);
  if (file.begun != begun_ || file.last_death > slot_.asked) return;
  world_.breaches.add(Breach::refused_free, "file {}: {}", claim_.file, name_of(index_));
}

bool find_reason(const std::string& reason, unsigned& slot, std::uint64_t& attempt) {
  unsigned long long number = 0;
  if (std::sscanf(reason.c_str(), "%u.%llu", &slot, &number) != 2) return false;
  attempt = number;
  return slot < kSlots;
}

}  // namespace locket::chaos
