// The supervisor's own session with the daemon: what the daemon reports about itself, holders and
// waiters.
//
// Lives as long as one life of the daemon answers it. Each look publishes which participants are
// seen to wait, and compares with what earlier daemons said about the same attempts: tickets and
// tokens stay (C9).

#pragma once

#include <memory>
#include <string>
#include <unordered_map>

#include "tests/chaos/arena.hpp"
#include "tests/support/raw_client.hpp"

namespace locket::chaos {

class Observer {
 public:
  explicit Observer(World& world) : world_(world) {}

  // False if no daemon answers yet.
  bool connect(const std::string& socket);
  void disconnect() { session_.reset(); }
  [[nodiscard]] bool connected() const { return session_ != nullptr; }

  // False if the daemon went away during it.
  bool look();

  [[nodiscard]] test::Json status() { return session_->call("status"); }

  // Attempts that a daemon's list showed in the same place, or with the same token, as an earlier
  // daemon's did.
  [[nodiscard]] std::uint64_t waits_known_again() const { return waits_known_again_; }
  [[nodiscard]] std::uint64_t holds_known_again() const { return holds_known_again_; }

 private:
  struct Seen {
    std::uint64_t attempt = 0;
    std::uint64_t ticket = 0;
    std::uint64_t token = 0;
    std::uint64_t lives = 0;
    int looks = 0;  // within this life
  };

  void note(const test::Json& row);
  void note_waiting(unsigned slot, std::uint64_t attempt, std::uint64_t ticket);
  void note_held(unsigned slot, std::uint64_t attempt, std::uint64_t token);
  Seen& seen(unsigned slot, std::uint64_t attempt);

  World& world_;
  std::unique_ptr<test::RawClient> session_;
  std::unordered_map<unsigned, Seen> seen_;
  std::uint64_t waits_known_again_ = 0;
  std::uint64_t holds_known_again_ = 0;
};

}  // namespace locket::chaos
