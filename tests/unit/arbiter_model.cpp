#include "tests/unit/arbiter_model.hpp"

#include <map>
#include <set>

namespace locketd::test {

std::string ArbiterModel::objection_to(const std::vector<Ticket>& due, Monotonic now,
                                       std::size_t most) const {
  // One who came back by the ticket of one that has gone may be named twice, which does no harm.
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
