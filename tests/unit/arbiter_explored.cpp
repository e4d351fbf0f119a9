#include "tests/unit/arbiter_explored.hpp"

#include <iterator>
#include <optional>
#include <utility>

namespace locketd::test {

using Explored = ExploredArbiter;

// ---- What happens ----

void Explored::perform(const Step& step) {
  const auto all = [](const Known&) { return true; };
  const auto holding = [&](const Known& known) {
    return known.state == State::holds && known.file == step.file;
  };
  switch (step.kind) {
    case Step::Kind::acquire:
    case Step::Kind::come_back_holding:
    case Step::Kind::come_back_waiting:
      return come(step);
    case Step::Kind::let_go:
      entry_of(step.session, step.file)->second.locked = false;
      return;
    case Step::Kind::release: {
      const Token token = claim_of(step.session, step.file)->token;
      leave(step.session, holding);
      return expect(arbiter_.release(step.session, token).has_value(), "a holder cannot release");
    }
    case Step::Kind::cancel:
      leave(step.session, holding);  // a waiter gets an answer when it ends
      return expect(arbiter_.cancel(step.session, step.file), "a claim cannot be cancelled");
    case Step::Kind::disconnect:
      leave(step.session, all);
      return arbiter_.disconnect(step.session);
    case Step::Kind::stop_waiting:
      return arbiter_.stop_waiting(step.session);
    case Step::Kind::answer: {
      const auto& [ticket, known] = *std::next(known_.begin(), step.detail / 4);
      return answer(ticket, static_cast<Result>(step.detail % 4));
    }
    case Step::Kind::external:
      external_[step.file] = !external_[step.file];
      return;
    case Step::Kind::tick:
      now_.steady += kTick;
      now_.wall += kTick;
      for (auto& [ticket, known] : known_) known.late |= known.is_timed();
      return;
    case Step::Kind::expire:
      return expire();
    case Step::Kind::end_recovery:
      recovering_ = false;
      return arbiter_.end_recovery();
  }
}

void Explored::come(const Step& step) {
  Known known{.session = step.session,
              .file = step.file,
              .mode = step.detail % 2 == 0 ? Mode::exclusive : Mode::shared};
  Claim claim{
      .session = step.session, .request = step.file, .file = id_of(step.file), .mode = known.mode};
  std::optional<Ticket> ticket;
  Ticket place = 0;  // the place it must get, if that is known
  if (step.kind == Step::Kind::come_back_holding) {
    known.state = State::returns;
    known.token = 10U * step.session + step.file;
    ticket = arbiter_.reclaim(now_, claim, {.ticket = 21, .token = known.token});
  } else {
    const bool back = step.kind == Step::Kind::come_back_waiting;
    // Of the waiters that come back, the first waited forever, and the second for a while.
    known.patience = static_cast<Patience>(back ? step.detail / 2 * 2 : step.detail / 2);
    if (known.patience == Patience::finite) claim.timeout = kTick;
    if (known.patience == Patience::none) claim.timeout = std::chrono::nanoseconds(0);
    const Former former{.ticket = 11U + step.detail / 2U, .token = {}, .age = kTick};
    place = back && !known_.contains(former.ticket) ? former.ticket : 0;
    ticket = back ? arbiter_.reclaim(now_, claim, former) : arbiter_.acquire(now_, claim);
  }
  if (!ticket) return expect(false, "taken for a duplicate");
  expect(place == 0 || *ticket == place, "not at its former place");
  expect(known_.emplace(*ticket, known).second, "two of the same ticket");
}

void Explored::expire() {
  const std::vector<Ticket> due(due_.begin(), due_.end());
  expiring_ = std::exchange(due_, {});
  for (const Ticket ticket : due) {
    const auto found = known_.find(ticket);
    if (found == known_.end()) continue;
    Known& known = found->second;
    if (!known.is_timed() || !known.late || !recovering_) continue;
    // The kernel has not been asked yet. That is done now, unless another claim is ahead or holds
    // the lock, and the kernel's answer decides the claim.
    known.patience = Patience::none;
    known.last_try = true;
  }
  arbiter_.expire(due);
}

void Explored::finish_some() {
  std::vector<Ticket> tickets;
  for (const auto& [ticket, known] : known_) tickets.push_back(ticket);
  for (const Ticket ticket : tickets) {
    const auto found = known_.find(ticket);
    if (found == known_.end()) continue;
    const Known& known = found->second;
    if (known.attempt != Attempt::none) {
      answer(ticket, results(*found).front());
    } else if (known.state == State::holds) {
      perform({Step::Kind::release, known.session, known.file});
    }
    carry_out_events();
  }
  perform({Step::Kind::tick});
  carry_out_events();
  expire();
  carry_out_events();
}

// ---- The kernel ----

// How the attempt may end now; the most favourable result first.
std::vector<Explored::Result> Explored::results(const Entry& entry) const {
  const Known& known = entry.second;
  // What looked like an external holder may be the holder that comes back.
  const bool free = known.attempt == Attempt::checking ? !ours_exclude(entry) : is_free_for(entry);
  std::vector<Result> results;
  if (free) results.push_back(Result::locked);
  // An abandoned attempt may get any answer. A blocking wait is never answered with busy.
  const bool may_be_busy = known.attempt == Attempt::checking || known.abandoned ||
                           (!free && known.attempt == Attempt::trying);
  if (may_be_busy) results.push_back(Result::busy);
  results.push_back(Result::failed);
  return results;
}

void Explored::add_kernel_options(std::vector<Step>& steps) const {
  std::uint8_t position = 0;
  std::array<bool, kFiles> ours{};
  for (const Entry& entry : known_) {
    ours[entry.second.file] |= entry.second.locked;
    if (entry.second.attempt != Attempt::none) {
      for (const Result result : results(entry)) {
        const auto detail = static_cast<std::uint8_t>(4 * position + static_cast<int>(result));
        steps.push_back({Step::Kind::answer, 0, 0, detail});
      }
    }
    ++position;
  }
  for (std::uint8_t file = 0; file < files_; ++file) {
    if (!ours[file]) steps.push_back({Step::Kind::external, 0, file});
  }
}

void Explored::answer(Ticket ticket, Result result) {
  Known& known = known_.at(ticket);
  if (result == Result::locked) {
    known.locked = true;
    external_[known.file] = false;
  }
  const bool tells_nothing_new = known.looking && result == Result::busy;
  if (!known.abandoned && known.attempt != Attempt::checking && !tells_nothing_new) {
    seen_external_[known.file] = result == Result::busy;
  }
  known.looked |= known.attempt == Attempt::trying && !known.looking;
  known.attempt = Attempt::none;
  known.abandoned = known.looking = false;
  arbiter_.os_result(now_, ticket, result, 5);
}

// ---- Checks ----

void Explored::carry_out_events() {
  while (const auto event = arbiter_.next_event()) {
    std::visit([this](const auto& kind) { on(kind); }, *event);
  }
  expiring_.clear();
  for (const Ticket ticket : arbiter_.due(now_.steady)) due_.insert(ticket);
}

void Explored::on(const Granted& event) {
  Entry* entry = entry_of(event.session, event.request);
  if (entry == nullptr) return expect(false, "granted to nobody");
  auto& [ticket, known] = *entry;
  expect(known.state != State::holds, "granted twice");
  expect(known.locked, "granted without the kernel's lock");
  if (known.state == State::returns) {
    expect(event.token == known.token, "not the token of before");
  } else {
    for (const auto& [other, its] : known_) {
      expect(other >= ticket || its.file != known.file || its.state != State::waits,
             "granted out of turn");
    }
    known.token = event.token;
  }
  known.state = State::holds;
}

void Explored::on(const Queued& event) {
  const auto found = known_.find(event.ticket);
  if (found == known_.end()) return expect(false, "nobody is told to wait");
  Known& known = found->second;
  expect(known.session == event.session && known.file == event.request, "another is told to wait");
  expect(known.state == State::waits, "one is told to wait who does not");
  expect(!std::exchange(known.told, true), "told twice to wait");
}

void Explored::on(const Refused& event) {
  const auto found = known_.find(event.entry.ticket);
  if (found == known_.end()) return expect(false, "refused to nobody");
  Known& known = found->second;
  expect(known.state == State::waits || known.state == State::returns, "refused after its answer");
  if (event.cause.why == Refused::Why::timed_out)
    expect(known.patience == Patience::none || known.late, "refused before its time");
  const bool awaited = std::ranges::any_of(known_, [&](const Entry& other) {
    return other.second.file == known.file && other.second.attempt == Attempt::awaiting;
  });
  if (event.cause.why == Refused::Why::timed_out && known.patience == Patience::none)
    expect(known.looked || known.last_try || awaited, "refused without another look");
  if (event.cause.why == Refused::Why::lost)
    expect(known.state == State::returns, "lost what it never had");
  known.state = State::left;
}

void Explored::begin(Ticket ticket, Attempt attempt) {
  const auto found = known_.find(ticket);
  if (found == known_.end()) return expect(false, "nobody is tried");
  Known& known = found->second;
  expect(known.attempt == Attempt::none, "tried twice at a time");
  expect(!known.locked, "tried although it is locked");
  const bool checking = attempt == Attempt::checking;
  expect(known.state == (checking ? State::returns : State::waits), "tried without reason");
  expect(checking || known.looking || !ours_exclude(*found),
         "tried although one of ours excludes it");
  const bool others_come_back =
      (recovering_ && !known.last_try) || std::ranges::any_of(known_, [&](const Entry& other) {
        return other.second.file == known.file && other.second.attempt == Attempt::checking;
      });
  expect(attempt != Attempt::trying || !others_come_back, "tried before others have come back");
  known.attempt = attempt;
}

void Explored::on(const LookAgain& event) {
  const auto found = known_.find(event.ticket);
  if (found == known_.end()) return expect(false, "nobody is looked for");
  found->second.looking = true;
  begin(event.ticket, Attempt::trying);
  expect(!recovering_, "looked for before others have come back");
  for (auto& [ticket, known] : known_) {
    if (known.file == found->second.file && expiring_.contains(ticket)) known.looked = true;
  }
}

void Explored::on(const Abandon& event) {
  const auto found = known_.find(event.ticket);
  if (found == known_.end()) return expect(false, "nobody is abandoned");
  expect(found->second.attempt != Attempt::none, "abandoned without an attempt");
  expect(!std::exchange(found->second.abandoned, true), "abandoned twice");
}

void Explored::on(const Unlock& event) {
  const auto found = known_.find(event.ticket);
  if (found == known_.end()) return expect(false, "nobody is unlocked");
  expect(found->second.state == State::waits && found->second.locked, "unlocked without reason");
  found->second.locked = false;
}

void Explored::on(const Discard& event) {
  const auto found = known_.find(event.ticket);
  if (found == known_.end()) return expect(false, "discarded twice");
  expect(found->second.attempt == Attempt::none, "discarded during its attempt");
  expect(found->second.state == State::left, "discarded without an answer");
  const std::uint8_t file = found->second.file;
  known_.erase(found);
  // With its last ticket, the lock and all the arbiter knew about it are forgotten.
  if (std::ranges::none_of(known_, [&](const Entry& e) { return e.second.file == file; }))
    seen_external_[file] = false;
}

void Explored::check() {
  std::size_t holders = 0;
  std::size_t present = 0;
  for (const auto& [ticket, known] : known_) {
    present += known.state != State::left ? 1 : 0;
    holders += known.state == State::holds ? 1 : 0;
    expect(known.state != State::left || known.attempt != Attempt::none, "never discarded");
    expect(!known.locked || known.state == State::holds, "locked for nobody");
  }
  const auto counts = arbiter_.counts();
  expect(counts.holders == holders && counts.waiters == present - holders, "counts()");
  for (std::uint8_t file = 0; file < kFiles; ++file) check_file(file);
}

void Explored::check_file(std::uint8_t file) {
  const Entry* first = nullptr;
  const Entry* tried = nullptr;
  bool checking = false;
  bool impatient = false;
  std::vector<Mode> held;
  std::vector<Mode> locked;
  for (const Entry& entry : known_) {
    const auto& [ticket, known] = entry;
    if (known.file != file) continue;
    if (known.state == State::holds) held.push_back(known.mode);
    if (known.state == State::holds && known.locked) locked.push_back(known.mode);
    if (known.state == State::waits && first == nullptr) first = &entry;
    checking |= known.attempt == Attempt::checking;
    const bool answer_is_near = known.attempt == Attempt::trying && !known.abandoned;
    expect(known.state != State::waits || known.patience == Patience::none || known.told ||
               answer_is_near,
           "one has to wait and is not told so");
    impatient |=
        known.state == State::waits && known.patience == Patience::none && !due_.contains(ticket);
    if (known.attempt == Attempt::none || known.attempt == Attempt::checking) continue;
    expect(tried == nullptr, "two are tried at a time");
    tried = &entry;
  }
  expect(locked.size() < 2 || std::ranges::count(locked, Mode::exclusive) == 0, "two hold it");
  const bool excluded = first != nullptr && std::ranges::any_of(held, [&](Mode mode) {
                          return conflict(mode, first->second.mode);
                        });
  const bool abandoned = tried != nullptr && tried->second.abandoned;
  if (tried != nullptr && !abandoned) {
    expect(tried == first, "one is tried who is not the first");
    expect(!excluded || tried->second.looking, "one is tried whom a holder excludes");
  }
  const bool about_to_be_known = checking || recovering_ || abandoned ||
                                 (tried != nullptr && tried->second.attempt == Attempt::trying);
  expect(!impatient || about_to_be_known, "one who does not wait is kept waiting");
  const bool held_back = recovering_ && first != nullptr && !first->second.last_try;
  const bool could_be_tried = first != nullptr && !excluded && !checking && !held_back;
  expect(!could_be_tried || tried != nullptr, "a wake-up is lost");
}

// ---- States ----

std::string Explored::state_named(const std::array<std::uint8_t, kSessions>& names,
                                  bool swapped) const {
  std::string text;
  text += recovering_ ? 'r' : '-';
  // Another session could still come back with the ticket of one that was due.
  for (const Ticket ticket : due_) {
    if (ticket < kOldest && !known_.contains(ticket)) text += fmt::format("{},", ticket);
  }
  for (std::uint8_t position = 0; position < kFiles; ++position) {
    const auto file = static_cast<std::uint8_t>(swapped ? kFiles - 1 - position : position);
    text += static_cast<char>('0' + external_[file] + 2 * seen_external_[file]);
    for (const auto& [ticket, known] : known_) {
      if (known.file != file) continue;
      const bool holds = known.state == State::holds;
      const bool waits = known.state == State::waits;
      text += static_cast<char>('a' + (known.state == State::left ? 0 : names[known.session - 1U]));
      text +=
          static_cast<char>('a' + static_cast<int>(known.mode) + 2 * static_cast<int>(known.state) +
                            8 * (known.locked ? 1 : 0) + 16 * (known.abandoned ? 1 : 0));
      text += static_cast<char>('a' + static_cast<int>(known.attempt) +
                                4 * (due_.contains(ticket) ? 1 : 0) + 8 * (known.last_try ? 1 : 0) +
                                16 * (known.looking ? 1 : 0) + 32 * (known.looked ? 1 : 0));
      text += waits ? static_cast<char>('a' + static_cast<int>(known.patience) +
                                        3 * (known.late ? 1 : 0) + 6 * (known.told ? 1 : 0))
                    : '.';
      if (ticket < kOldest) text += fmt::format("{}", ticket);
      // A former token could come back once more; others are new each time.
      if ((holds || known.state == State::returns) && known.token < kOldest) text += 'f';
    }
    text += '|';
  }
  return text;
}

}  // namespace locketd::test
