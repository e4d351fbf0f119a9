// Passes requests to the arbiter, and turns the arbiter's events into replies and OS calls.
//
// Role: stands between sessions and arbiter; knows messages but neither sockets nor Asio, so that
// tests and fuzzers drive whole sessions without either. Owned by Server. One thread only.
//
// Invariants:
//  1. A request is never refused because of a holder, and `list` never answered, before the daemon
//     has read what the holders' sockets already had (C7): such answers wait for settle().
//  2. Nothing here calls back into itself: handlers only feed the arbiter, pump() only drains its
//     events, and Sessions::drain() is called from settle() alone.
//  3. Work that costs much more than its request did is done in small portions, one per settle():
//     refusals a few at a time, lists one at a time, to the sessions in turn; and for each of the
//     two, 256 of the holders to be heard first, which takes less than a millisecond if they have
//     said nothing (C15).

#pragma once

#include <boost/unordered/unordered_flat_map.hpp>
#include <boost/unordered/unordered_flat_set.hpp>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/arbiter.hpp"
#include "daemon/incidents.hpp"
#include "daemon/openings.hpp"
#include "daemon/os_locks.hpp"
#include "daemon/peer.hpp"
#include "daemon/user_limits.hpp"
#include "proto/codec.hpp"
#include "proto/descriptor.hpp"

namespace locketd {

// The sessions' connections and the clock, as dispatch needs them. Implemented by Server.
class Sessions {
 public:
  Sessions() = default;
  virtual ~Sessions() = default;
  Sessions(const Sessions&) = delete;
  Sessions& operator=(const Sessions&) = delete;

  virtual Instant now() const = 0;
  virtual void send(SessionId session, std::string_view line) = 0;

  // Where what the session's client has said so far ends, or as much of it as is to be heard before
  // others are answered.
  virtual std::uint64_t said(SessionId session) const = 0;

  // Handles a portion of that, or the session's end. True when all up to there has been handled.
  virtual bool drain(SessionId session, std::uint64_t upto) = 0;

  // Calls settle() after the others have had their turn.
  virtual void settle_later() = 0;

  // Whether so many of its answers are unread that it should get no more for now.
  virtual bool is_behind(SessionId session) const = 0;

  // How many locks of a session can outlive this daemon by keep(); 0 if none can.
  virtual std::size_t max_kept_locks() const = 0;

  // Makes the session outlive this daemon: sent to the next one with those files, the lines bring
  // it back. For a client that can no longer send them itself. False if there is no room now: then
  // keep_those_put_off() is called when there is.
  virtual bool keep(SessionId session, const std::string& lines, const std::vector<int>& files) = 0;
};

class Dispatch {
 public:
  // Descriptors of each kept session, besides its lock files.
  static constexpr std::size_t kDescriptorsKeptBeside = 2;
  // Of all kept sessions of one user, so that no user fills the store that all share: half of
  // FileDescriptorStoreMax= as the units set it.
  static constexpr std::size_t kMaxDescriptorsKeptOfUser = 768;

  Dispatch(Sessions& sessions, OsLocks& os_locks, std::string socket_path, UserLimits limits = {});

  // Whether this peer may have a session; the error is for the peer to read.
  [[nodiscard]] std::expected<void, locket::proto::Error> admits(const Peer& peer);

  // A session's events, in this order; the peer lives until closed().
  // `kept`: by an earlier daemon, for a process that was becoming another program.
  void opened(SessionId session, const Peer& peer, bool kept = false);
  // An error means that the session must end: it is no longer known which descriptor belongs to
  // which request, or the user has too many. An empty descriptor stands for one that the daemon
  // could not take.
  [[nodiscard]] std::expected<void, locket::proto::Error> received(
      SessionId session, std::string_view line, locket::proto::Descriptors& descriptors);
  void closed(SessionId session);

  // This many descriptors have come ahead of their requests and are kept for them; an error if that
  // is more than this user may have.
  [[nodiscard]] std::expected<void, locket::proto::Error> came_ahead(SessionId session,
                                                                     std::size_t descriptors);

  // Answers and logs a violation of the protocol, which ends the session.
  void violated(SessionId session, const locket::proto::Error& error);

  // The daemon is about to end the session.
  void giving_up(SessionId session, std::string_view why);

  // Logs an incident; called from outside for clients that have no session.
  void tell(log::Level level, const Incident& incident);

  // Closes descriptors that no request will take any more. They must not be closed elsewhere: see
  // OsLocks.
  void dispose(SessionId session, locket::proto::Descriptors& descriptors);

  // The connection has ended. True if the session asked to live as long as its process: it keeps
  // its locks but stops waiting, since it could not be told of a grant.
  [[nodiscard]] bool outlives_connection(SessionId session);

  // There was a daemon before this one, whose clients come back until `end` (C9), or for up to half
  // a second longer while they still do. Must be the first call.
  void recover_until(Monotonic end);

  // There is room again for the sessions that Sessions::keep() had no room for.
  void keep_those_put_off();

  // To be called after each batch of the above, and at next_deadline(). Longer work is left to
  // settle(), so that it is done once per pass of the loop, not once for each session that talks.
  void attend();
  void settle();
  // In one line, for people: "sessions: 3, holders: 2, ...".
  [[nodiscard]] std::string summary() const;
  [[nodiscard]] bool has_due() const { return arbiter_.has_due(sessions_.now().steady); }
  [[nodiscard]] std::optional<Monotonic> next_deadline() const;

 private:
  // An unlocked file that waits for the session's next claim on it.
  struct Parked {
    Token token;  // of the hold that it was parked after
    PassedFile file;
  };
  struct Client {
    SessionId session = 0;
    const Peer* peer = nullptr;
    std::string stated_command;        // shown where the kernel does not tell
    mutable std::string command = {};  // the name that the kernel told
    mutable Monotonic told = {};       // when it was last asked
    bool greeted = false;
    bool notices = false;  // wants to be told when it has to wait
    bool detached = false;
    bool reclaimed = false;  // says that it held something under an earlier daemon
    int mistakes = 0;        // lines in a row that were not requests
    std::size_t ahead = 0;   // descriptors that came ahead of their requests
    std::vector<Parked> parked = {};
  };
  struct Presence {
    std::size_t sessions = 0;
    std::size_t ahead = 0;
    std::size_t parked = 0;
    boost::unordered_flat_set<SessionId> parking = {};  // sessions that have anything parked
  };
  // A session to be heard up to what it had said at its turn.
  struct Hearing {
    SessionId session;
    std::optional<std::uint64_t> upto = {};
  };
  struct PendingList {
    std::uint64_t number;  // over all sessions, in order of arrival
    RequestId request;
    locket::proto::List list;
  };
  using Request = locket::proto::Request;
  using Descriptors = locket::proto::Descriptors;

  void see_to_time(Monotonic now);
  void extend_recovery();
  void end_recovery_in_time(Monotonic now);

  using Outcome = std::expected<void, locket::proto::Error>;
  Outcome serve(Client& client, const Request& request, Descriptors& descriptors);
  Outcome handle(Client&, const Request&, const locket::proto::Hello&, Descriptors&);
  Outcome handle(Client&, const Request&, const locket::proto::Acquire&, Descriptors&);
  Outcome handle(Client&, const Request&, const locket::proto::Reclaim&, Descriptors&);
  Outcome handle(Client&, const Request&, const locket::proto::Release&, Descriptors&);
  Outcome handle(Client&, const Request&, const locket::proto::Unpark&, Descriptors&);
  Outcome handle(Client&, const Request&, const locket::proto::Cancel&, Descriptors&);
  Outcome handle(Client&, const Request&, const locket::proto::Detach&, Descriptors&);
  Outcome handle(Client&, const Request&, const locket::proto::List&, Descriptors&);
  Outcome handle(Client&, const Request&, const locket::proto::Status&, Descriptors&);
  Outcome open(Client&, const Request&, const locket::proto::Acquire&);
  void file_opened(Client&, const Request&, Monotonic asked,
                   std::expected<locket::proto::Descriptor, locket::proto::Error> file);
  Outcome enter(Client&, const Request&, PassedFile file, Claim claim,
                const std::optional<Former>& former);
  Outcome admit(Client&, const Request&, PassedFile& file, Claim claim,
                const std::optional<Former>& former);
  void dispose_first(SessionId session, Descriptors& descriptors);

  // Files that stay open between two claims: dispatch_parking.cpp.
  void park(SessionId session, Token token, Ticket ticket);
  std::optional<PassedFile> take_parked(Client& client, Token token);
  void dispose(PassedFile file);
  void unpark_all(Client& client);
  void unpark_one(Presence& user);
  void unparked(const Client& client, std::size_t files);

  // What this user has, after parked files were closed to make room for one more: parking keeps
  // nobody out.
  UserHas make_room(UserId user);
  [[nodiscard]] UserHas what_has(UserId user) const;
  [[nodiscard]] UserLimits limits_for(const UserHas& has) const;

  // Logging: dispatch_incidents.cpp.
  void tell_refusal(const Client& client, const Request& request,
                    const locket::proto::Error& error);
  void tell_refusal(const Client& client, const Refused& event, const locket::proto::Error& error);
  void tell_taken(const Client& client);
  void tell_superseded(SessionId kept, Ticket ticket);

  void pump();
  void perform(const Granted& event);
  void perform(const Queued& event);
  void perform(const Refused& event);
  void perform(const TryLock& event) { os_locks_.try_lock(event.ticket, event.mode); }
  void perform(const LookAgain& event) { os_locks_.look_again(event.ticket, event.mode); }
  void perform(const AwaitLock& event) { os_locks_.await_lock(event.ticket, event.mode); }
  void perform(const CheckLock& event) { os_locks_.check_lock(event.ticket, event.mode); }
  void perform(const Abandon& event) { os_locks_.abandon(event.ticket); }
  void perform(const Unlock& event) { os_locks_.unlock(event.ticket); }
  void perform(const Discard& event);

  void reply(SessionId session, std::optional<RequestId> id, locket::proto::Answer answer);
  void acknowledge(const Client& client, const Request& request);
  void keep_later(const Client& client);
  void opened_kept(SessionId session, UserId user);
  [[nodiscard]] bool takes_share(const Client& client);
  void give_share_back(const Client& client);
  void keep_one();
  void supersede(const Client& client, Token token);
  bool refuse_those_due();
  bool answer_lists();
  bool hear_holders();
  bool hear_sessions();
  void hear_some(std::vector<Hearing>& hearings);
  bool answer_one_list();
  const std::string& command_shown(const Client& client) const;
  [[nodiscard]] locket::proto::Page page_of(const locket::proto::List& list) const;
  [[nodiscard]] locket::proto::Row row_of(const Entry& entry, bool external,
                                          const Instant& now) const;
  [[nodiscard]] locket::proto::Refusal refusal_of(const Refused& event) const;

  Sessions& sessions_;
  OsLocks& os_locks_;
  const std::string socket_path_;
  const UserLimits limits_;
  const std::size_t descriptors_for_users_;
  const Instant started_;
  Arbiter arbiter_;
  Incidents incidents_;
  std::string line_;  // the last line sent: its memory is reused
  std::optional<Monotonic> recovery_end_;
  Monotonic recovery_latest_;  // when recovery ends at the latest, however many come back
  int prolongations_ = 0;      // of recovery, since this process itself was late
  boost::unordered_flat_map<SessionId, Client> clients_;
  boost::unordered_flat_map<UserId, Presence> users_;  // those that have any session
  std::size_t ahead_ = 0;                              // of all users
  std::size_t parked_ = 0;
  struct ToPark {
    Ticket ticket;
    SessionId session;
    Token token;
  };
  std::optional<ToPark> to_park_;  // when the arbiter discards it
  std::set<SessionId> kept_;       // by an earlier daemon
  std::set<SessionId> to_keep_;    // for the next daemon, and not kept yet
  std::set<SessionId> put_off_;    // those for which there was no room
  // For each user, how many descriptors are kept of each session.
  std::map<UserId, std::map<SessionId, std::size_t>> shares_;
  Openings openings_;
  std::vector<Ticket> due_;            // refused when these have been heard:
  std::vector<FileId> unheard_files_;  // the holders of these files,
  Ticket heard_holder_ = 0;            // of the last file, those after this one
  std::vector<Hearing> half_heard_;    // and these sessions are to be heard
  std::map<SessionId, std::deque<PendingList>> lists_;
  std::vector<Hearing> unheard_sessions_;  // to be heard before lists are answered
  std::uint64_t hearing_for_ = 0;          // for lists up to this number
  SessionId last_listed_ = 0;              // the session whose turn it was
  std::uint64_t last_list_ = 0;            // the number of the last that came
  std::uint64_t heard_lists_ = 0;  // up to this number, holders have been heard since the list came
  bool fresh_list_ = false;        // a list from the beginning has come since hearing began
};

}  // namespace locketd
