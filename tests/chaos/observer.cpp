#include "tests/chaos/observer.hpp"

#include <exception>

#include "proto/transport.hpp"
#include "tests/chaos/participant.hpp"

namespace locket::chaos {

bool Observer::connect(const std::string& socket) {
  if (!proto::try_connect(socket)) return false;
  try {
    session_ = std::make_unique<test::RawClient>(socket);
    return true;
  } catch (const std::exception&) {
    return false;
  }
}

bool Observer::look() {
  try {
    for (const test::Json& row : session_->list()) note(row);
    return true;
  } catch (const std::exception&) {
    session_.reset();
    return false;
  }
}

void Observer::note(const test::Json& row) {
  unsigned slot = 0;
  std::uint64_t attempt = 0;
  if (!find_reason(row.at("reason").get<std::string>(), slot, attempt)) return;
  if (row.at("state") == "waiting") {
    // A claim that wants an answer at once has no place to lose.
    if (row.at("timeout") == 0) return;
    note_waiting(slot, attempt, row.at("ticket").get<std::uint64_t>());
  } else {
    note_held(slot, attempt, row.at("token").get<std::uint64_t>());
  }
}

Observer::Seen& Observer::seen(unsigned slot, std::uint64_t attempt) {
  Seen& seen = seen_[slot];
  if (seen.attempt != attempt) seen = {.attempt = attempt};
  return seen;
}

// Counts only from the second look within one life: at the first, the daemon may die before it
// tells the waiter the ticket it showed us.
void Observer::note_waiting(unsigned slot, std::uint64_t attempt, std::uint64_t ticket) {
  Seen& before = seen(slot, attempt);
  if (before.ticket != 0 && before.looks > 1 && before.ticket != ticket) {
    world_.breaches.add(Breach::lost_place, "slot {}, attempt {}: its ticket was {} and is {}",
                        slot, attempt, before.ticket, ticket);
  }
  if (before.lives != world_.lives) {
    if (before.looks > 1 && before.ticket == ticket) ++waits_known_again_;
    before.lives = world_.lives;
    before.looks = 0;
  }
  before.ticket = ticket;
  if (++before.looks < 2) return;
  Slot& theirs = world_.slots.at(slot);
  const std::uint64_t word = theirs.waiting;
  if (word != 0 && Claim::of(word).attempt == attempt) theirs.seen = word;
}

void Observer::note_held(unsigned slot, std::uint64_t attempt, std::uint64_t token) {
  Seen& before = seen(slot, attempt);
  if (before.token == 0) {
    before.token = token;
    before.lives = world_.lives;
    return;
  }
  if (before.token != token) {
    world_.breaches.add(Breach::changed_token, "slot {}, attempt {}: its token was {} and is {}",
                        slot, attempt, before.token, token);
    before.token = token;
  } else if (before.lives != world_.lives) {
    ++holds_known_again_;
    before.lives = world_.lives;
  }
}

}  // namespace locket::chaos
