// Requests to the arbiter, the arbiter's events to replies and to the OS.
//
// Role: between sessions and arbiter; knows messages but neither sockets nor Asio, so that
// tests and fuzzers drive whole sessions without either. Owned by Server. One thread only.
//
// Invariants:
//  1. A request is never refused because of a holder, and `list` never answered, before what the
//     holders' sockets already had has been heard (C7): such answers wait for settle().
//  2. Nothing here calls back into itself: handlers only feed the arbiter, pump() only drains its
//     events, and Sessions::drain() is called from settle() alone.
//  3. What costs much more than its request did is served in small portions, one a pass of
//     settle(): refusals a few at a time, lists one at a time, to the sessions in turn; and of the
//     holders that are heard before, 256 for each of the two, which takes less than a millisecond
//     where they have said nothing (C15).

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

  // Reads what the session's socket has and handles it, or its end, right now.
  virtual void drain(SessionId session) = 0;

  // Calls settle(), after others had their turn.
  virtual void settle_later() = 0;

  // Whether it has more unread answers than is good for it.
  virtual bool is_behind(SessionId session) const = 0;

  // How many locks of a session can outlive this daemon by keep(); 0 where none can.
  virtual std::size_t keeps() const = 0;

  // Sees to it that the session outlives this daemon: the lines, said to the next one with those
  // files, bring it back. For a client that cannot say them itself any more. False where there is
  // no room now: then keep_those_put_off() is called when there is.
  virtual bool keep(SessionId session, const std::string& lines, const std::vector<int>& files) = 0;
};

class Dispatch {
 public:
  // Of each session that is kept, besides its lock files.
  static constexpr std::size_t kDescriptorsKeptBeside = 2;
  // Of one user, so that he does not fill what all have: half of FileDescriptorStoreMax=, as the
  // units have it.
  static constexpr std::size_t kMaxDescriptorsKeptOfUser = 768;

  Dispatch(Sessions& sessions, OsLocks& os_locks, std::string socket_path, UserLimits limits = {});

  // May this peer have a session? Else why not, for it to read.
  [[nodiscard]] std::expected<void, locket::proto::Error> admits(const Peer& peer);

  // The session's events, in this order; the peer lives until closed().
  // `kept`: an earlier daemon's, of a process that was becoming another.
  void opened(SessionId session, const Peer& peer, bool kept = false);
  // An error where it can no longer be told which descriptor goes with which request. An empty
  // descriptor stands for one that the daemon could not take.
  [[nodiscard]] std::expected<void, locket::proto::Error> received(
      SessionId session, std::string_view line, locket::proto::Descriptors& descriptors);
  void closed(SessionId session);

  // So many have come ahead of their requests and are kept for those: an error where that is more
  // than this user may have.
  [[nodiscard]] std::expected<void, locket::proto::Error> came_ahead(SessionId session,
                                                                     std::size_t descriptors);

  // The answer to bytes that are no line of ours.
  void violated(SessionId session, const locket::proto::Error& error);

  // The daemon is about to end the session.
  void giving_up(SessionId session, std::string_view why);

  // For what concerns clients that have no session.
  void tell(log::Level level, const Incident& incident);

  // Descriptors that no request will take any more, and that must not be closed elsewhere: OsLocks.
  void dispose(SessionId session, locket::proto::Descriptors& descriptors);

  // The connection has ended. True where the session has asked to live as long as its process: then
  // it goes on holding, but waits no longer, since nobody could tell it of a grant.
  [[nodiscard]] bool outlives_connection(SessionId session);

  // There was a daemon before this one, whose clients come back until then (C9), or for half
  // a second longer at most, while they still do. First of all.
  void recover_until(Monotonic end);

  // There is room again for what Sessions::keep() had none for.
  void keep_those_put_off();

  // After each batch of the above, and when next_deadline() has come. What takes longer is left to
  // settle(), so that it is done once a pass of the loop, and not once for each session that talks.
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
    mutable std::string command = {};  // what it told
    mutable Monotonic told = {};       // and when
    bool greeted = false;
    bool notices = false;  // wants to be told when it has to wait
    bool detached = false;
    bool reclaimed = false;  // says that it held something under an earlier daemon
    std::size_t ahead = 0;   // descriptors
    std::vector<Parked> parked = {};
  };
  struct Presence {
    std::size_t sessions = 0;
    std::size_t ahead = 0;
    std::size_t parked = 0;
    boost::unordered_flat_set<SessionId> parking = {};  // those that have anything parked
  };
  struct PendingList {
    std::uint64_t number;  // of all, in the order of arrival
    RequestId request;
    locket::proto::List list;
  };
  using Request = locket::proto::Request;
  using Descriptors = locket::proto::Descriptors;

  void see_to_time(Monotonic now);
  void came_back();
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

  // Between two claims on one file: dispatch_parking.cpp.
  void park(SessionId session, Token token, Ticket ticket);
  std::optional<PassedFile> take_parked(Client& client, Token token);
  void dispose(PassedFile file);
  void unpark_all(Client& client);
  void unpark_one(Presence& user);
  void unparked(const Client& client, std::size_t files);

  // What this user has, where he may have one more: what is parked keeps nobody out.
  UserHas make_room(UserId user);
  [[nodiscard]] UserHas what_has(UserId user) const;
  [[nodiscard]] UserLimits limits_for(const UserHas& has) const;

  // To the log: dispatch_incidents.cpp.
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
  std::string line_;  // the last that was sent: its memory is used again
  std::optional<Monotonic> recovery_end_;
  Monotonic recovery_latest_;  // that it may end, however many come back
  int prolongations_ = 0;      // of the recovery, since this process itself was late
  boost::unordered_flat_map<SessionId, Client> clients_;
  boost::unordered_flat_map<UserId, Presence> users_;  // who has any session
  std::size_t ahead_ = 0;                              // of all
  std::size_t parked_ = 0;
  struct ToPark {
    Ticket ticket;
    SessionId session;
    Token token;
  };
  std::optional<ToPark> to_park_;  // when the arbiter has let go of it
  std::set<SessionId> kept_;       // by an earlier daemon
  std::set<SessionId> to_keep_;    // for the next one, of whom that has to be told
  std::set<SessionId> put_off_;    // of these, for whom there was no room
  // Of each user's sessions that are kept, the descriptors.
  std::map<UserId, std::map<SessionId, std::size_t>> shares_;
  Openings openings_;
  std::vector<Ticket> due_;            // who is refused when those below have been heard:
  std::vector<FileId> unheard_files_;  // their holders,
  Ticket heard_holder_ = 0;            // behind this one, of the last file
  std::map<SessionId, std::deque<PendingList>> lists_;
  std::vector<SessionId> unheard_sessions_;  // before lists are answered
  std::uint64_t hearing_for_ = 0;            // lists up to this one
  SessionId last_listed_ = 0;                // whose turn it was
  std::uint64_t last_list_ = 0;              // that came
  std::uint64_t heard_lists_ = 0;  // up to this one, the holders have been heard since it came
  bool fresh_list_ = false;        // one that begins has come since then
};

}  // namespace locketd
