#include <algorithm>
#include <chrono>
#include <random>
#include <thread>
#include <utility>

#include "tests/bench/contest.hpp"

namespace locket::bench {
namespace {

using std::chrono::microseconds;

constexpr double kNanosecondsInMicrosecond = 1000;
constexpr unsigned kHandoffs = 200;
constexpr unsigned kPolledHandoffs = 20;
// Until a waiter certainly waits; for pollers, a random part of their interval is added.
constexpr microseconds kSettle{1000};
constexpr microseconds kBetweenLooks{50'000};

// Two processes that hand a lock back and forth.
class Handoff {
 public:
  Handoff(std::string who, const std::vector<std::string>& words) : holder_(words), waiter_(words) {
    begin(std::move(who));
  }
  Handoff(std::string who, const std::string& kind, const std::string& server,
          const std::string& name)
      : holder_(kind, server, name), waiter_(kind, server, name) {
    begin(std::move(who));
  }

  [[nodiscard]] std::vector<pid_t> processes() const { return {holder_.pid(), waiter_.pid()}; }

  void take_turn(unsigned count, microseconds more) {
    Samples samples;
    std::uniform_int_distribution<microseconds::rep> pause(0, more.count());
    for (; count > 0; --count) samples.push_back(hand_over(kSettle + microseconds(pause(dice_))));
    figures_.rounds.push_back(std::move(samples));
  }
  [[nodiscard]] const Figures& figures() const { return figures_; }

 private:
  void begin(std::string who) {
    figures_.who = std::move(who);
    holder_.ask("acquire");
    holder_.answer();
  }

  // The waiter's answer is read first, so that the holder's answer wakes no process meanwhile.
  double hand_over(microseconds pause) {
    Worker& from = swapped_ ? waiter_ : holder_;
    Worker& to = swapped_ ? holder_ : waiter_;
    to.ask("acquire");
    std::this_thread::sleep_for(pause);
    from.ask("release");
    const Nanoseconds had = to.answer();
    const Nanoseconds began = from.answer();
    swapped_ = !swapped_;
    return static_cast<double>(had - began) / kNanosecondsInMicrosecond;
  }

  Figures figures_;
  Worker holder_;
  Worker waiter_;
  bool swapped_ = false;
  std::minstd_rand dice_{1};
};

// One round trip at a time, starting from idle as a handoff does.
class PingPong {
 public:
  PingPong(std::string who, const Service& floor) : worker_("ping", floor.server(), "none") {
    figures_.who = std::move(who);
  }

  // For the client and for the floor.
  void keep_on(unsigned processor, const Service& floor, unsigned floors_processor) {
    bench::keep_on({worker_.pid()}, processor);
    bench::keep_on(floor.processes(), floors_processor);
  }

  void take_turn(unsigned count) {
    Samples samples;
    for (; count > 0; --count) {
      std::this_thread::sleep_for(kSettle);
      samples.push_back(worker_.pairs(1).front());
    }
    figures_.rounds.push_back(std::move(samples));
  }
  [[nodiscard]] const Figures& figures() const { return figures_; }

 private:
  Figures figures_;
  Worker worker_;
};

Handoff with_service(Run& run, std::string who, const std::string& kind) {
  return {std::move(who), kind, server_of(run, kind), fresh_name(run)};
}

Handoff with_python(Run& run, std::string who, const std::string& library) {
  return {std::move(who), {"/usr/bin/python3", POLLERS, library, fresh_name(run)}};
}

// Like with like: releaser, acquirer and the service between them are on the same processor, as are
// both ends of the ping-pong.
void measure_on_one_processor(Run& run) {
  const auto floor = start_floor(run.folder(), "near-floor");
  PingPong pingpong("socket ping-pong", *floor);
  pingpong.keep_on(0, *floor, 0);
  Handoff ours = with_service(run, "locketd", "locket");
  keep_on(ours.processes(), 0);
  keep_on(run.service("locket").processes(), 0);
  for (unsigned round = 0; round < run.rounds(); ++round) {
    ours.take_turn(run.some(kHandoffs), microseconds(0));
    pingpong.take_turn(run.some(kHandoffs));
  }
  let_loose(run.service("locket").processes());
  run.add(compared("handoff_vs_pingpong_near", Goal::at_most, 1.40, ours.figures(),
                   pingpong.figures()));
}

}  // namespace

void measure_handoffs(Run& run) {
  // Once wherever the kernel puts the two ends, which is on one processor; and once apart, as those
  // of a handoff are.
  PingPong pingpong("socket ping-pong", run.service("floor"));
  const auto other_floor = start_floor(run.folder(), "other-floor");
  PingPong apart("… on two processors", *other_floor);
  apart.keep_on(0, *other_floor, 1);
  Handoff ours = with_service(run, "locketd", "locket");
  Handoff postgres = with_service(run, "PostgreSQL", "postgres");
  Handoff locket_py = with_python(run, "locket.py, timeout", "locket");
  Handoff filelock = with_python(run, "filelock", "filelock");
  for (unsigned round = 0; round < run.rounds(); ++round) {
    ours.take_turn(run.some(kHandoffs), microseconds(0));
    pingpong.take_turn(run.some(kHandoffs));
    apart.take_turn(run.some(kHandoffs));
    postgres.take_turn(run.some(kHandoffs), microseconds(0));
    locket_py.take_turn(run.some(kPolledHandoffs), kBetweenLooks);
    filelock.take_turn(run.some(kPolledHandoffs), kBetweenLooks);
  }
  const Figures& quicker = std::min(
      locket_py.figures(), filelock.figures(),
      [](const Figures& a, const Figures& b) { return median(a.all()) < median(b.all()); });
  run.add(compared("handoff_vs_pingpong", Goal::at_most, 1.40, ours.figures(), pingpong.figures()));
  run.add(
      compared("handoff_vs_pingpong_apart", Goal::at_most, 1.40, ours.figures(), apart.figures()));
  measure_on_one_processor(run);
  run.add(compared("handoff_vs_postgres", Goal::at_most, 0.60, ours.figures(), postgres.figures()));
  run.add(compared("handoff_vs_polling", Goal::at_most, 0.005, ours.figures(), quicker));
  run.add({"Release in one process to acquire in another",
           {pingpong.figures(), apart.figures(), ours.figures(), postgres.figures(),
            locket_py.figures(), filelock.figures()}});
}

}  // namespace locket::bench
