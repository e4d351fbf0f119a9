// Sessions by the thousand, and locks and waits by the ten thousand: raw ones in this process,
// since only the daemon's side of them is of interest.

#pragma once

#include <deque>
#include <string>
#include <utility>
#include <vector>

#include "tests/bench/run.hpp"
#include "tests/support/raw_client.hpp"

namespace locket::bench {

// Owned by a case; its end is that of all it has.
class Crowd {
 public:
  explicit Crowd(std::string socket) : socket_(std::move(socket)) {}

  void connect(unsigned sessions);

  // Each lock on a file of its own in that folder.
  void hold(const std::string& folder, unsigned locks);

  // Behind one holder, of the crowd too.
  void wait(const std::string& path, unsigned waiters, const test::Json& params);

  // Until the daemon has seen to all of it.
  void settle();

 private:
  test::RawClient& session_for(unsigned number);

  std::string socket_;
  std::deque<test::RawClient> sessions_;
};

// A lock that goes from waiter to waiter, each of which then waits again: always as many.
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
  std::deque<test::RawClient> sessions_;  // two, so that a grant goes to another than the release
  std::deque<Place> queue_;
  Place holder_;
  test::Token token_ = 0;
};

// The part of RawClient's work in a process of its own, which can be killed: `hold SOCKET FOLDER N`
// opens so many sessions with a lock each, says so, and waits for its end.
int hold_many(const std::vector<std::string>& words);

}  // namespace locket::bench
