#include "tests/unit/arbiter_model.hpp"

#include <algorithm>
#include <chrono>
#include <map>
#include <set>
#include <utility>

namespace locketd::test {

std::optional<Ticket> ArbiterModel::reclaim(const Instant& now, Claim claim, const Former& former) {
  const auto same = [&](const Member& e) {
    return is(e, claim.session, claim.request) ||
           (former.token && !e.waits() && e.claim.session == claim.session &&
            e.token == former.token);
  };
  if (with(same)) return std::nullopt;
  if (claim.timeout) *claim.timeout += former.age;
  Ticket place = former.ticket != 0 ? former.ticket : former.token.value_or(0);
  if (place == 0 || place > std::max(last_stamp_, clock(now))) place = next_stamp(now);
  const auto age = std::chrono::duration_cast<Monotonic::duration>(former.age);
  const Instant since{.steady = now.steady - age, .wall = now.wall - age};
  if (!former.token) return wait(claim, place, since);

  Member& member = add(claim, place, since);
  member.returns = true;
  member.token = *former.token;
  events.emplace_back(CheckLock{member.ticket, claim.mode});
  return member.ticket;
}

void ArbiterModel::os_result(const Instant& now, Ticket ticket, OsResult result, int os_error) {
  if (const auto gone = std::ranges::find(gone_, ticket, &Gone::ticket); gone != gone_.end()) {
    const LockId id = gone->lock;
    if (!gone->checked) {
      lock(id).attempt = Attempt::none;
      lock(id).looks = false;
      lock(id).looked.clear();
      if (result == OsResult::locked) lock(id).external = false;
    }
    gone_.erase(gone);
    events.emplace_back(Discard{ticket});
    return go_on(id);
  }
  Member& entry = *with([&](const Member& e) { return e.ticket == ticket; });
  const LockId id = entry.lock;
  entry.returns ? checked(lock(id), entry, result, os_error)
                : answered(now, lock(id), entry, result, os_error);
  go_on(id);
}

void ArbiterModel::expire(Monotonic then, const std::vector<Ticket>& due) {
  std::vector<std::pair<LockId, Ticket>> held;
  for (const Ticket ticket : due) {
    Member* entry = with([&](const Member& e) { return e.ticket == ticket && e.waits(); });
    if (entry == nullptr || (entry->impatient && unsettled(*entry))) continue;
    if (!entry->impatient && !is_late(*entry, then)) continue;
    const LockId id = entry->lock;
    const bool has_its_turn = first(id) == entry && !is_checked(lock(id)) && !excluded(*entry);
    if (lock(id).recovering && has_its_turn) {
      // Its time is over, but the kernel has not been asked.
      entry->impatient = entry->last_try = true;
    } else if (entry->impatient && lock(id).attempt == Attempt::none) {
      held.emplace_back(id, ticket);
      continue;
    } else {
      refuse(*entry, {.why = Refused::Why::timed_out});
    }
    go_on(id);
  }
  look_again(held);
}

std::string ArbiterModel::objection_to(const std::vector<Ticket>& due, Monotonic now,
                                       std::size_t most) const {
  // A ticket may be named twice if a claim came back with the ticket of one that has gone; that
  // does no harm.
  const std::set<Ticket> named(due.begin(), due.end());
  if (due.size() > most) return "more are due than were asked for";
  std::size_t waiting = 0;
  std::size_t impatient = 0;
  for (const Member& entry : entries_) {
    if (!entry.waits() || !named.contains(entry.ticket)) continue;
    ++waiting;
    impatient += entry.impatient ? 1 : 0;
    if (!entry.impatient && !is_late(entry, now)) return "too early: " + describe(entry);
  }
  if (waiting != named.size()) return "one is due that does not wait";
  if (impatient > most / 2) return "those that do not wait keep the others from their turn";
  for (const Member& entry : entries_) {
    if (!entry.waits() || named.contains(entry.ticket)) continue;
    const bool must = entry.impatient ? !unsettled(entry) && impatient < most / 2
                                      : is_late(entry, now) && due.size() < most;
    if (must) return "not due: " + describe(entry);
  }
  return "";
}

std::optional<Monotonic> ArbiterModel::next_deadline() const {
  std::optional<Monotonic> next;
  for (const Member& entry : entries_) {
    const auto own = entry.waits() ? deadline(entry) : std::nullopt;
    if (own && (!next || *own < *next)) next = own;
  }
  return next;
}

Texts ArbiterModel::rows() const {
  Texts rows;
  for (const Lock& lock : locks_) {
    for (const bool held : {true, false}) {
      std::map<Ticket, std::string> by_ticket;
      for (const Member& entry : entries_) {
        if (entry.lock != lock.id || entry.held != held || entry.returns) continue;
        by_ticket[entry.ticket] = describe(entry) + (lock.external ? " external" : "");
      }
      for (const auto& [ticket, text] : by_ticket) rows.push_back(text);
    }
  }
  return rows;
}

}  // namespace locketd::test
