// The examples of PROTOCOL.md: read from the page, and played against a daemon.
//
// The notation is explained there, under "How to read the examples". Values that differ between
// runs are compared by their kind; tokens, devices and inodes must also be equal wherever the
// example has equal ones.

#pragma once

#include <map>
#include <string>
#include <vector>

#include "proto/lock_file.hpp"
#include "tests/support/kernel_lock.hpp"
#include "tests/support/raw_client.hpp"

namespace locket::test {

struct Step {
  enum class Kind { client_says, daemon_says, client_closes, daemon_closes, outsider };

  Kind kind = Kind::client_says;
  std::string who;             // "C1" and "S1" are both "1"
  std::string text;            // the line, or what the outsider does
  std::string file;            // passed with the line, as a descriptor
  proto::FileId file_id = {};  // as the page gives it, if it does
  bool locked = false;         // the descriptor has the kernel's lock already
  Id repeat_from = 0;
  Id repeat_to = 0;  // repeat the step up to this id
  int line = 0;      // on the page
};

struct Example {
  int line = 0;
  std::string note;  // after "protocol" on the fence
  std::vector<Step> steps;
};

std::vector<Example> examples_in(const std::string& page);

// The first block in another language.
std::string block_in(const std::string& page, const std::string& language);

class ExamplePlayer {
 public:
  // `folder` takes the place of /srv in the examples.
  ExamplePlayer(std::string socket_path, std::string folder);

  // What differed from the example, by line; empty if nothing did.
  std::vector<std::string> play(const Example& example);

 private:
  struct Session {
    RawClient client;
    std::deque<Json> unexpected;  // received before any step asked for it
    bool closed = false;
  };

  void perform(const Step& step);
  void say(const Step& step);
  void learn(const proto::FileId& of_page, int file);
  void say_again(const Step& step, Session& session);
  void hear(const Step& step);
  void settle(Session& session);
  Session& session_of(const std::string& who);
  std::optional<Json> next(Session& session);

  [[nodiscard]] std::string to_real(const std::string& text) const;
  [[nodiscard]] Json from_real(const Json& line) const;
  void put_real_values(Json& value) const;
  void compare(const Json& expected, const Json& actual, const std::string& name);
  void compare_members(const Json& expected, const Json& actual);
  void compare_same(const std::string& name, const Json& expected, const Json& actual);
  void complain(const std::string& what);

  std::string socket_path_;
  std::string folder_;
  bool greet_ = true;
  std::map<std::string, Session> sessions_;
  std::map<std::string, KernelLock> outsiders_;
  std::map<std::string, std::map<Json, Json>>
      real_;  // by member name: from the page's value to ours
  int line_ = 0;
  std::vector<std::string> complaints_;
};

}  // namespace locket::test
