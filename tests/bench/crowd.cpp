#include "tests/bench/crowd.hpp"

#include <fmt/format.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <stdexcept>

namespace locket::bench {

using test::Id;
using test::Json;
using test::RawClient;

// A session has at most 16,384 requests under way.
RawClient& Crowd::session_for(unsigned number) {
  constexpr unsigned kEach = 8000;
  while (sessions_.size() <= number / kEach) connect(1);
  return sessions_[number / kEach];
}

void Crowd::connect(unsigned sessions) {
  for (; sessions > 0; --sessions) sessions_.emplace_back(socket_);
}

void Crowd::hold(const std::string& folder, unsigned locks) {
  for (unsigned i = 0; i < locks; ++i) {
    session_for(i).lock(fmt::format("{}/{}", folder, i));
  }
}

void Crowd::wait(const std::string& path, unsigned waiters, const Json& params) {
  session_for(0).lock(path);
  for (unsigned i = 0; i < waiters; ++i) session_for(i).acquire(path, params);
  settle();
}

void Crowd::settle() {
  for (RawClient& session : sessions_) session.call("status");
}

Carousel::Carousel(const std::string& socket, std::string path, unsigned waiters)
    : path_(std::move(path)) {
  sessions_.emplace_back(socket);
  sessions_.emplace_back(socket);
  holder_ = {0, sessions_[0].acquire(path_)};
  token_ = sessions_[0].granted(holder_.id);
  for (unsigned i = 1; i <= waiters; ++i) board(i % 2);
}

// The daemon has read the request when this returns: of two sessions it may read either first.
void Carousel::board(unsigned session) {
  queue_.push_back({session, sessions_[session].acquire(path_)});
  sessions_[session].call("status");
}

double Carousel::turn() {
  constexpr double kMicrosecondsInSecond = 1e6;
  const Place next = queue_.front();
  queue_.pop_front();
  const auto begin = test::Clock::now();
  sessions_[holder_.session].notify("release", {{"token", token_}});
  token_ = sessions_[next.session].granted(next.id);
  const double time = test::seconds_since(begin) * kMicrosecondsInSecond;
  board(holder_.session);
  holder_ = next;
  return time;
}

int hold_many(const std::vector<std::string>& words) {
  constexpr std::size_t kWords = 4;
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (words.size() != kWords) throw std::invalid_argument("hold SOCKET FOLDER N");
  std::deque<RawClient> sessions;
  for (unsigned i = 0; i < std::stoul(words[3]); ++i) {
    sessions.emplace_back(words[1]).lock(fmt::format("{}/{}", words[2], i));
  }
  fmt::print("ready\n");
  std::fflush(stdout);
  for (;;) ::pause();
}

}  // namespace locket::bench
