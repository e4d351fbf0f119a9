#include "tests/chaos/crew.hpp"

#include <fmt/format.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

#include <csignal>
#include <numeric>
#include <utility>

#include "tests/chaos/participant.hpp"
#include "tests/chaos/roles.hpp"

namespace locket::chaos {
namespace {

constexpr int kRefused = 42;
constexpr Nanoseconds kLateness = 3 * kSecond;
constexpr Nanoseconds kBetweenStrikes = 30 * kMillisecond;

}  // namespace

std::uint64_t CrewCounts::kills() const {
  return std::accumulate(killed.begin(), killed.end(), std::uint64_t{0});
}

Crew::Crew(const Arena& arena, CrewPlan plan, Dice dice)
    : arena_(arena),
      world_(arena.world()),
      plan_(std::move(plan)),
      files_(plan_.folder),
      dice_(dice),
      hands_(plan_.workers + 2 * plan_.commands) {
  for (unsigned member = 0; member < hands_.size(); ++member) {
    Kind kind = Kind::library;
    if (member >= plan_.workers) kind = Kind::run;
    if (member >= plan_.workers + plan_.commands) kind = Kind::flock;
    world_.members.at(member).kind = kind;
  }
}

void Crew::tick() {
  const Nanoseconds time = now();
  for (unsigned member = 0; member < hands_.size(); ++member) {
    Hand& hand = hands_[member];
    if (!hand.process) {
      if (!world_.stop && time >= hand.due) start(member);
    } else if (hand.stopped && time >= hand.due) {
      hand.kill_after_stop ? kill(member) : resume(member);
    }
  }
  if (exposed_ && time >= strike_at_) {
    strike();
    strike_at_ = time + dice_.between(0, 2 * kBetweenStrikes);
  }
}

void Crew::start(unsigned member) {
  Hand& hand = hands_[member];
  hand.stopped = false;
  hand.timeout = kForever;
  hand.started = now();
  const bool command = world_.members.at(member).kind != Kind::library;
  hand.process = Process::start(words_of(member), command ? plan_.log : STDERR_FILENO);
  world_.members.at(member).process = hand.process.pid();
  ++counts_.started;
}

std::vector<std::string> Crew::words_of(unsigned member) {
  std::vector<std::string> words;
  if (world_.members.at(member).kind == Kind::library) {
    words = worker_words(arena_, plan_.folder, member, dice_.next());
  } else {
    return command_of(member);
  }
  words.insert(words.begin(), plan_.self);
  return words;
}

// The command line of locketctl run or flock(1), for one lock.
std::vector<std::string> Crew::command_of(unsigned member) {
  const bool run = world_.members.at(member).kind == Kind::run;
  const auto file = static_cast<unsigned>(dice_.between(0, plan_.files > 1 ? plan_.files - 2 : 0));
  const bool shared = dice_.percent(30);
  Hand& hand = hands_[member];
  if (dice_.percent(50)) hand.timeout = dice_.between(0, 400) * kMillisecond;

  Participant participant(world_, member, 0);
  participant.ask(file, shared, hand.timeout == kForever ? kForever : now() + hand.timeout);
  std::vector<std::string> words{run ? plan_.locketctl : "flock"};
  // --no-fork, so that flock(1) itself is the holder: its child would go on holding without it.
  words.insert(words.end(),
               run ? std::initializer_list<std::string>{"run", "--reason", participant.reason()}
                   : std::initializer_list<std::string>{"--no-fork"});
  if (shared) words.emplace_back("--shared");
  if (hand.timeout != kForever) {
    const double seconds = static_cast<double>(hand.timeout) / kSecond;
    words.insert(words.end(), {"-w", fmt::format("{:.3f}", seconds)});
    words.insert(words.end(), {"-E", fmt::to_string(kRefused)});
  }
  words.push_back(files_.path(file));
  words.push_back(plan_.self);
  const Nanoseconds hold =
      dice_.one_in(20) ? dice_.between(0, 300 * kMillisecond) : dice_.between(0, 3 * kMillisecond);
  for (std::string& word : inside_words(arena_, member, hold)) words.push_back(std::move(word));
  return words;
}

// ---- Faults ----

void Crew::strike() {
  const std::int64_t kind = dice_.between(1, 100);
  const bool stop = kind > 80;
  const bool then_kill = kind > 95;
  const std::int64_t victims = kind <= 20 ? dice_.between(2, 5) : 1;
  for (std::int64_t i = 0; i < victims; ++i) strike_one(stop, then_kill);
}

void Crew::strike_one(bool stop, bool then_kill) {
  const auto last = static_cast<std::int64_t>(hands_.size()) - 1;
  const auto member = static_cast<unsigned>(dice_.between(0, last));
  Hand& hand = hands_[member];
  if (!hand.process || hand.stopped) return;
  if (!stop) {
    kill(member);
    return;
  }
  ++counts_.stopped;
  ++world_.members.at(member).stops;
  hand.stopped = true;
  hand.kill_after_stop = then_kill;
  hand.due = now() + dice_.between(kMillisecond, 400 * kMillisecond);
  hand.process.signal(SIGSTOP);
}

void Crew::kill(unsigned member) {
  world_.members.at(member).dying = true;
  hands_[member].process.signal(SIGKILL);
}

void Crew::resume(unsigned member) {
  hands_[member].stopped = false;
  hands_[member].process.signal(SIGCONT);
}

void Crew::resume_all() {
  for (unsigned member = 0; member < hands_.size(); ++member) {
    if (hands_[member].stopped) resume(member);
  }
}

// ---- Ends ----

bool Crew::gone() const {
  return std::ranges::none_of(hands_, [](const Hand& hand) { return bool(hand.process); });
}

bool Crew::reap(const Death& death) {
  for (unsigned member = 0; member < hands_.size(); ++member) {
    Hand& hand = hands_[member];
    if (!hand.process || hand.process.pid() != death.pid) continue;
    judge(member, death);
    clear(member);
    const bool worker = world_.members.at(member).kind == Kind::library;
    hand.process = Process();
    hand.due = worker ? 0 : now() + dice_.between(0, 30 * kMillisecond);
    return true;
  }
  return false;
}

void Crew::judge(unsigned member, const Death& death) {
  const Member& shared = world_.members.at(member);
  if (shared.dying) {
    // It may have ended by itself just before.
    if (was_killed(death)) {
      ++counts_.killed.at(static_cast<std::size_t>(doing(member)));
    } else if (shared.kind == Kind::library && ended_well(death)) {
      ++counts_.vanished;
    }
    return;
  }
  const bool may_end = shared.kind != Kind::library || world_.stop;
  if (may_end && ended_well(death)) return;
  const int status = WIFEXITED(death.status) ? WEXITSTATUS(death.status) : -1;
  if (status == kRefused && hands_[member].timeout != kForever) return judge_refusal(member);
  const Slot& slot = world_.slot(member, 0);
  const bool daemon_was_there = slot.epoch % 2 == 0 && slot.epoch == world_.epoch;
  if (shared.kind == Kind::run && status == EX_UNAVAILABLE && !daemon_was_there) {
    ++world_.counters.refusals.at(static_cast<std::size_t>(Refusal::no_daemon));
    return;
  }
  world_.breaches.add(Breach::died, "{} {} ended {}",
                      kKindNames.at(static_cast<std::size_t>(shared.kind.load())), death.pid,
                      describe(death));
}

void Crew::judge_refusal(unsigned member) {
  ++world_.counters.refusals.at(static_cast<std::size_t>(Refusal::timed_out));
  const Hand& hand = hands_[member];
  const Nanoseconds lateness = now() - hand.started - hand.timeout;
  if (lateness < 0) world_.breaches.add(Breach::early, "process {}", hand.process.pid());
  const bool excused = world_.members.at(member).stops != world_.slot(member, 0).stops ||
                       world_.machine_stalled > hand.started;
  if (lateness > kLateness && !excused) {
    world_.breaches.add(Breach::late, "process {} gave up {:.3f} s late", hand.process.pid(),
                        static_cast<double>(lateness) / kSecond);
  }
}

// What the first of its threads that was busy was doing.
Doing Crew::doing(unsigned member) const {
  Doing found = Doing::idle;
  for (unsigned thread = 0; thread < kSlotsOfMember; ++thread) {
    const Slot& slot = world_.slot(member, thread);
    if (slot.inside != 0) return Doing::holding;
    if (slot.waiting != 0) {
      found = slot.seen == slot.waiting ? Doing::waiting : Doing::asking;
    } else if (slot.busy != 0 && found == Doing::idle) {
      found = Doing::releasing;
    }
  }
  const bool fresh = now() - hands_[member].started < 2 * kMillisecond;
  return found == Doing::idle && fresh ? Doing::starting : found;
}

void Crew::clear(unsigned member) {
  for (unsigned thread = 0; thread < kSlotsOfMember; ++thread) {
    Slot& slot = world_.slot(member, thread);
    if (slot.busy != 0) world_.files.at(Claim::of(slot.busy).file).last_death = now();
    slot.inside = 0;
    slot.waiting = 0;
    slot.busy = 0;
  }
  world_.members.at(member).process = 0;
  world_.members.at(member).dying = false;
}

}  // namespace locket::chaos
