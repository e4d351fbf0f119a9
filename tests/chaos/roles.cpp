#include "tests/chaos/roles.hpp"

#include <fmt/format.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <thread>

#include "tests/chaos/contender.hpp"
#include "tests/chaos/participant.hpp"

namespace locket::chaos {
namespace {

void contend(World& world, const LockFiles& files, unsigned member, unsigned thread,
             std::uint64_t seed) {
  Contender contender(world, files, member, thread, Contender::Temper::reckless,
                      Dice(seed + thread));
  while (!world.stop) contender.attempt();
}

int work(const Arena& arena, const std::string& folder, unsigned member, std::uint64_t seed) {
  const LockFiles files(folder);
  const auto others = Dice(seed).between(0, kSlotsOfMember - 1);
  std::vector<std::thread> threads;
  for (unsigned thread = 1; thread <= others; ++thread) {
    threads.emplace_back([&, thread] { contend(arena.world(), files, member, thread, seed); });
  }
  contend(arena.world(), files, member, 0, seed);
  for (std::thread& thread : threads) thread.join();
  return EXIT_SUCCESS;
}

// The lock belongs to this process, which has no library to tell about it.
int be_inside(const Arena& arena, unsigned member, Nanoseconds hold) {
  Participant participant(arena.world(), member, 0);
  const char* token = std::getenv("LOCKET_TOKEN");
  participant.resume();
  participant.enter(token != nullptr ? std::strtoull(token, nullptr, 10) : 0);
  sleep_for(hold);
  participant.leave();
  return EXIT_SUCCESS;
}

}  // namespace

Words worker_words(const Arena& arena, const std::string& folder, unsigned member,
                   std::uint64_t seed) {
  return {"worker", arena.path(), fmt::to_string(member), folder, fmt::to_string(seed)};
}

Words inside_words(const Arena& arena, unsigned member, Nanoseconds hold) {
  return {"inside", arena.path(), fmt::to_string(member), fmt::to_string(hold)};
}

int play_role(const Words& words) {
  constexpr std::size_t kWordsOfWorker = 5;
  constexpr std::size_t kWordsInside = 4;
  const bool worker = words.size() == kWordsOfWorker && words[0] == "worker";
  const bool inside = words.size() == kWordsInside && words[0] == "inside";
  if (!worker && !inside) return -1;
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  const Arena arena = Arena::at(words[1]);
  const auto member = static_cast<unsigned>(std::stoul(words[2]));
  return worker ? work(arena, words[3], member, std::stoull(words[4]))
                : be_inside(arena, member, std::stoll(words[3]));
}

}  // namespace locket::chaos
