// Part of dispatch.hpp: answers that wait until holders have been heard (invariants 1 and 3).
//
// Each session is heard as far as its socket had something at its turn, up to a limit. Its turn is
// after the claim or the list came, so a release that returned before is heard before the answer,
// and behind very much else a claim that does not wait is saved by asking the kernel (C7).

#include <algorithm>
#include <utility>

#include "daemon/dispatch.hpp"

namespace locketd {

namespace {

// 64 refusals take a few milliseconds with texts of maximum length.
constexpr std::size_t kRefusalsAtOnce = 64;

// Looking into a socket takes a microsecond or so. A session with much to say is heard in portions,
// and only as far as it had said it.
constexpr std::size_t kHeardAtOnce = 256;
// Their portions take up to a third of a millisecond each.
constexpr std::size_t kUnfinishedAtOnce = 16;

}  // namespace

// One pass: what draining brings in is answered in the next, after others have had their turn, so
// that a client that never stops talking cannot keep the loop here (C15).
void Dispatch::settle() {
  see_to_time(sessions_.now().steady);
  const bool refusing = refuse_those_due();
  const bool listing = answer_lists();
  if (refusing || listing) sessions_.settle_later();
}

// False if no claim is due.
bool Dispatch::refuse_those_due() {
  if (due_.empty()) {
    due_ = arbiter_.due(sessions_.now().steady, kRefusalsAtOnce);
    if (due_.empty()) return false;
    unheard_files_ = arbiter_.files_of(due_);
  }
  if (!hear_holders()) return true;
  arbiter_.expire(std::exchange(due_, {}));
  pump();
  return true;
}

// False if none can be answered before something happens.
bool Dispatch::answer_lists() {
  if (unheard_sessions_.empty()) {
    if (lists_.empty()) return false;
    hearing_for_ = last_list_;
    if (std::exchange(fresh_list_, false)) {
      for (const SessionId session : arbiter_.holding_sessions()) {
        unheard_sessions_.push_back({session});
      }
    }
  }
  const bool all = hear_sessions();
  if (all) heard_lists_ = hearing_for_;
  return answer_one_list() || !all;
}

// Hears the holders of the due claims' files; those of one file in the order of their tickets. True
// when all have been heard.
bool Dispatch::hear_holders() {
  std::vector<SessionId> sessions;
  while (!unheard_files_.empty() && half_heard_.size() + sessions.size() < kHeardAtOnce) {
    bool all = true;
    arbiter_.visit_holders(unheard_files_.back(), heard_holder_, [&](const Entry& entry, bool) {
      all = half_heard_.size() + sessions.size() < kHeardAtOnce;
      if (!all) return false;
      sessions.push_back(entry.claim.session);
      heard_holder_ = entry.ticket;
      return true;
    });
    if (!all) break;
    unheard_files_.pop_back();
    heard_holder_ = 0;
  }
  std::ranges::sort(sessions);
  const auto repeated = std::ranges::unique(sessions);
  for (const SessionId session : std::ranges::subrange(sessions.begin(), repeated.begin())) {
    half_heard_.push_back({session});
  }
  hear_some(half_heard_);
  return unheard_files_.empty() && half_heard_.empty();
}

// Hears the sessions that held something when the list came. True when all have been heard.
bool Dispatch::hear_sessions() {
  hear_some(unheard_sessions_);
  return unheard_sessions_.empty();
}

// A portion of each, from the last one on. Takes out those that have been heard.
void Dispatch::hear_some(std::vector<Hearing>& hearings) {
  std::size_t heard = 0;
  std::size_t unfinished = 0;
  for (std::size_t i = hearings.size(); i > 0 && heard < kHeardAtOnce; --i, ++heard) {
    Hearing& hearing = hearings[i - 1];
    if (!hearing.upto) hearing.upto = sessions_.said(hearing.session);
    if (sessions_.drain(hearing.session, *hearing.upto)) {
      hearing = hearings.back();
      hearings.pop_back();
    } else if (++unfinished == kUnfinishedAtOnce) {
      return;
    }
  }
}

// Answers the next session in turn that reads its answers. A list that draining brought in waits
// for the next pass. False if none can be answered before anything happens.
bool Dispatch::answer_one_list() {
  const auto can = [this](const auto& entry) { return !sessions_.is_behind(entry.first); };
  const auto next = lists_.upper_bound(last_listed_);
  auto turn = std::find_if(next, lists_.end(), can);
  if (turn == lists_.end()) turn = std::find_if(lists_.begin(), next, can);
  if (turn == lists_.end() || !can(*turn)) return false;
  auto& [session, lists] = *turn;
  const PendingList& pending = lists.front();
  if (pending.number > heard_lists_) return true;
  last_listed_ = session;
  reply(session, pending.request, page_of(pending.list));
  lists.pop_front();
  if (lists.empty()) lists_.erase(turn);
  return true;
}

}  // namespace locketd
