// Thousands of sessions, and tens of thousands of locks and waits: raw ones in this process, since
// only the daemon's side of them matters.

#pragma once

#include <deque>
#include <string>
#include <utility>
#include <vector>

#include "tests/bench/run.hpp"
#include "tests/support/raw_client.hpp"

namespace locket::bench {

// Owned by a case; destroying it ends all its sessions.
class Crowd {
 public:
  explicit Crowd(std::string socket) : socket_(std::move(socket)) {}

  void connect(unsigned sessions);

  // Each lock on its own file in that folder.
  void hold(const std::string& folder, unsigned locks);

  // Behind one holder, which also belongs to the crowd.
  void wait(const std::string& path, unsigned waiters, const test::Json& params);

  // Waits until the daemon has handled all of it.
  void settle();

 private:
  test::RawClient& session_for(unsigned number);

  std::string socket_;
  std::deque<test::RawClient> sessions_;
};

// A lock that goes from waiter to waiter, each of which then waits again, so that their number
// stays the same.
class Carousel {
 public:
  Carousel(const std::string& socket, std::string path, unsigned waiters);

  // From the release to the grant, in microseconds.
  double turn();

 private:
  void board(unsigned session);

  struct Place {
    unsigned session = 0;
    test::Id id = 0;
  };

  std::string path_;
  std::deque<test::RawClient> sessions_;  // two: the one that releases is not the one granted
  std::deque<Place> queue_;
  Place holder_;
  test::Token token_ = 0;
};

// The part of RawClient's work that runs in a separate process, which can be killed: `hold SOCKET
// FOLDER N` opens N sessions with a lock each, says so, and waits to be killed.
int hold_many(const std::vector<std::string>& words);

}  // namespace locket::bench
