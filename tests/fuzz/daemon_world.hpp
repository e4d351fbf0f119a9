// All that the real Dispatch and Arbiter see of the world: clients, their connections, the clock
// and the kernel. The fuzzer's program drives it; it checks each line that comes out.
//
// Invariants, each of which ends the process when violated:
//  1. Every request with an id is answered once, and nothing else is answered.
//  2. A client that was told of a grant has the kernel's lock until it releases it or goes (C6).
//     Tokens only rise.
//  3. A claim that is granted had no other before it in its queue (C4).
//  4. No claim times out early (C3).
//  5. `list` shows exactly those that hold and wait.
//  6. A claim that has to wait is told so at most once, and only if it asked for that.
//  7. No client that follows PROTOCOL.md is disconnected.
//  8. What is kept of a detached session for the next daemon is all that it holds.
//  9. When all clients have gone, nothing is left: no lock, no descriptor, no deadline.

#pragma once

#include <array>
#include <cstddef>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/dispatch.hpp"
#include "proto/codec.hpp"
#include "proto/framing.hpp"
#include "proto/limits.hpp"
#include "tests/fuzz/fake_kernel.hpp"

namespace locket::fuzz {

class DaemonWorld final : public locketd::Sessions {
 public:
  static constexpr std::size_t kClients = 3;
  using Id = std::optional<proto::RequestId>;

  DaemonWorld();

  FakeKernel& kernel() { return kernel_; }

  // ---- What clients do ----

  void open(std::size_t client);
  // Puts the message into the client's socket; the daemon has not read it yet.
  void say(std::size_t client, std::string bytes, std::vector<proto::Descriptor> descriptors);
  // What comes next may not be a line of the protocol, or may have too many or too few descriptors.
  void misbehave(std::size_t client) { clients_.at(client).orderly = false; }
  void hear(std::size_t client);
  // The client shuts down its connection after all it has sent.
  void end_connection(std::size_t client);
  void die(std::size_t client);

  // ---- What else happens ----

  // Only at the start: there was a daemon before.
  void recover();
  void pass(std::chrono::nanoseconds steady, std::chrono::nanoseconds wall);
  void settle() { settle_wanted_ = false, dispatch_.settle(); }
  void check() const;
  // Checks everything at rest, then after all clients have gone.
  void finish();

  // A token that some claim has, or had.
  [[nodiscard]] proto::Token some_token(std::size_t which) const;
  [[nodiscard]] proto::Token last_parked() const { return last_parked_; }
  [[nodiscard]] proto::Ticket some_ticket(std::size_t which) const;

  // Implements Sessions for dispatch.
  locketd::Instant now() const override { return now_; }
  void send(locketd::SessionId session, std::string_view line) override;
  std::uint64_t said(locketd::SessionId) const override { return 0; }
  bool drain(locketd::SessionId session, std::uint64_t upto) override;
  void settle_later() override { settle_wanted_ = true; }
  bool is_behind(locketd::SessionId) const override { return false; }
  std::size_t max_kept_locks() const override { return 1000; }
  bool keep(locketd::SessionId session, const std::string& lines,
            const std::vector<int>& files) override;

 private:
  struct Message {
    std::string bytes;
    std::vector<proto::Descriptor> descriptors;
  };
  // A client's session, with the daemon's side of its connection as in Session.
  struct Client {
    locketd::SessionId session = 0;  // 0: none
    locketd::Peer peer;
    bool connected = false;
    bool orderly = true;
    bool notices = false;
    std::deque<Message> inbox;
    proto::Descriptors descriptors;
    proto::LineBuffer lines{proto::kMaxLineBytes};
    std::map<Id, std::size_t> unanswered;
  };
  struct Claim {
    locketd::SessionId session = 0;
    proto::RequestId request = 0;
    proto::Mode mode = proto::Mode::exclusive;
    proto::FileId file;
    std::optional<locketd::Monotonic> deadline;
    enum class State : std::uint8_t { waits, returns, holds };
    State state = State::waits;
    proto::Token token = 0;  // of a claim that returns or holds
    bool told = false;       // that it has to wait

    [[nodiscard]] bool holds() const { return state == State::holds; }
  };
  // The line that Dispatch is handling.
  struct Heard {
    locketd::SessionId session = 0;
    const proto::Request* request = nullptr;
  };

  Client* client_of(locketd::SessionId session);
  using Claims = std::map<proto::Ticket, Claim>;
  Claims::iterator claim_of(locketd::SessionId session, proto::RequestId request);
  void receive(Client& client);
  void handle_lines(Client& client);
  void handle(Client& client, std::string_view line);
  void before(Client& client, const proto::Request& request);
  void violate(Client& client, const proto::Error& error);
  void close(Client& client);
  // Claims that a session has given up itself.
  void forget(locketd::SessionId session, auto&& which) {
    std::erase_if(claims_, [&](const auto& entry) {
      return entry.second.session == session && which(entry.second);
    });
  }

  void adopted(proto::Ticket ticket, const proto::FileId& file);
  void discarded(proto::Ticket ticket);
  void answered(Client& client, const Id& id, const proto::Grant& grant);
  void answered(Client& client, const Id& id, const proto::Failure& failure);
  void answered(Client& client, const Id& id, const proto::Waiting& waiting);
  void answered(Client& client, const Id& id, const proto::Page& page);
  void answered(Client&, const Id&, const auto&) {}

  void rest();
  void check_list();

  locketd::Instant now_;
  FakeKernel kernel_;
  locketd::Dispatch dispatch_;
  std::array<Client, kClients + 1> clients_;  // the last is for check_list()
  Claims claims_;                             // the daemon's, as far as clients can know
  Heard heard_;
  std::vector<proto::Row> rows_;  // from the last list
  std::optional<proto::Cursor> next_rows_;
  proto::Token last_parked_ = 0;
  proto::Token last_token_ = 0;
  locketd::SessionId last_session_ = 0;
  bool settle_wanted_ = false;
};

}  // namespace locket::fuzz
