// What client and daemon say to each other, as values. PROTOCOL.md describes each; codec.hpp turns
// them into lines and back. All text in here is escaped text (text.hpp).

#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "proto/errors.hpp"

namespace locket::proto {

using RequestId = std::uint64_t;  // chosen by the client, unique among its requests under way
using Token = std::uint64_t;      // fencing token: strictly increases from grant to grant
using Ticket = std::uint64_t;     // a claim's place in the order of arrival
using Seconds = std::chrono::duration<double>;

enum class Mode : std::uint8_t { exclusive, shared };

// ---- From the client ----

struct Hello {
  int protocol = 0;
  std::string client;    // program or library, with its version
  std::string command;   // what to show if the daemon cannot see the process's name
  bool notices = false;  // wants to be told when an acquire has to wait: Waiting
};

struct Acquire {
  std::string path;
  Mode mode = Mode::exclusive;
  std::optional<Seconds> timeout;  // none: for ever
  std::string reason;
  std::optional<Token> parked = {};  // the file that was parked with the release of this token
};

// "Your predecessor knew this claim of mine": what this process held, or waited for, when the
// daemon that knew of it went away (C9).
struct Reclaim {
  std::string path;
  Mode mode = Mode::exclusive;
  std::optional<Seconds> timeout;  // waiting only: what is left of it; none: for ever
  std::string reason;
  std::optional<Token> token;  // held: by this token; none: waiting
  Ticket ticket = 0;           // as Waiting told it; 0 if it was never told
  Seconds age{0};              // since the grant, or since the arrival
};

struct Release {
  Token token = 0;
  bool park = false;  // the file stays open, for an Acquire that names this token
};

// "I shall not come back to the file that was parked with this token's release."
struct Unpark {
  Token token = 0;
};

// "I no longer want what I asked for with this id": ends the wait, or releases the grant that
// crossed it on its way.
struct Cancel {
  RequestId request = 0;
};

// From now on this session lasts until the process ends, even if the connection closes before.
struct Detach {
  std::string command;  // what the process is about to become
};

struct FileId {
  std::uint64_t device = 0;
  std::uint64_t inode = 0;
  friend auto operator<=>(const FileId&, const FileId&) = default;
};

// Where a page of `list` ended: the row after this one comes next.
struct Cursor {
  std::uint64_t lock = 0;
  Ticket ticket = 0;
  bool waiting = false;  // it was a waiter's; the row itself may be gone by then
};

struct List {
  std::optional<FileId> file;  // none: all locks
  Cursor after;
};

struct Status {};

using Call = std::variant<Hello, Acquire, Reclaim, Release, Unpark, Cancel, Detach, List, Status>;

struct Request {
  std::optional<RequestId> id;  // none: a notification, which gets no answer
  Call call;
};

// ---- From the daemon ----

struct Welcome {
  int protocol = 0;
  std::string server;
  std::int64_t pid = 0;
  std::uint64_t parking = 0;  // how many files a session can park; 0: none (an older daemon)
};

struct Grant {
  Token token = 0;
};

// The only message that is no answer: the request with the reply's id has to wait. The ticket is
// for a Reclaim.
struct Waiting {
  Ticket ticket = 0;
};

// One holder or waiter of one lock.
struct Row {
  enum class State : std::uint8_t { held, waiting };

  std::uint64_t lock = 0;  // the same for all rows of one lock
  Ticket ticket = 0;
  std::string path;  // as this one named it
  FileId file;
  State state = State::held;
  Mode mode = Mode::exclusive;
  bool external = false;  // waits for a process that locked the file without the daemon
  std::int64_t pid = 0;
  std::uint32_t uid = 0;
  std::string command;
  std::string reason;
  double since = 0;               // seconds since the epoch
  double age = 0;                 // seconds held or waited, on the monotonic clock
  Token token = 0;                // held only
  std::optional<double> timeout;  // waiting only; seconds in all
};

struct Page {
  std::vector<Row> rows;
  std::optional<Cursor> next;
};

// How much of something the user who asks has and may have. The limit is 0 if the daemon does not
// tell.
struct Share {
  std::uint64_t has = 0;
  std::uint64_t limit = 0;
};

struct UserShares {
  Share sessions;
  Share held;
  Share waiting;
  Share text;  // bytes, of paths and reasons
  Share descriptors;
};

struct StatusReport {
  std::string version;
  std::string socket;
  std::int64_t pid = 0;
  double uptime = 0;  // seconds
  std::uint64_t sessions = 0;
  std::uint64_t locks = 0;  // files held or waited for
  std::uint64_t holders = 0;
  std::uint64_t waiters = 0;
  std::uint64_t grants = 0;            // since the start
  std::uint64_t descriptors = 0;       // open in the daemon
  std::uint64_t descriptor_limit = 0;  // RLIMIT_NOFILE
  UserShares user = {};
};

// Why a lock could not be acquired: who holds it (C13).
struct Refusal {
  std::string path;
  std::vector<Row> holders;  // the first kMaxHoldersInRefusal
  std::uint64_t holder_count = 0;
  std::uint64_t waiters = 0;  // others that wait for it now
  bool external = false;      // held by a process that locked the file without the daemon
  FileId file;
};

struct Failure {
  Error error;
  std::optional<Refusal> refusal = {};
  std::optional<int> protocol =
      {};  // unsupported_protocol only: the version that the daemon speaks
};

struct Done {};  // success, and nothing else to tell

using Answer = std::variant<Done, Welcome, Grant, Waiting, Page, StatusReport, Failure>;

struct Reply {
  std::optional<RequestId> id;  // none: the daemon could not read the request's id
  Answer answer;
};

}  // namespace locket::proto
