// Requests that came with a path alone and whose file is being opened.
//
// Owned by Dispatch. Opening may take as long as the file system likes (C15), and meanwhile the
// session may end, or cancel the request and use its id again: so each opening has a number, which
// tells whether its result is still wanted.

#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <utility>

#include "daemon/arbiter.hpp"

namespace locketd {

class Openings {
 public:
  using Number = std::uint64_t;

  // None if the session has one with this id under way.
  std::optional<Number> begin(SessionId session, RequestId request) {
    const auto [opening, is_new] = under_way_.try_emplace({session, request}, last_ + 1);
    if (!is_new) return std::nullopt;
    return ++last_;
  }

  // False if the result is no longer wanted.
  bool end(SessionId session, RequestId request, Number number) {
    const auto found = under_way_.find({session, request});
    if (found == under_way_.end() || found->second != number) return false;
    under_way_.erase(found);
    return true;
  }

  // False if there is none.
  bool cancel(SessionId session, RequestId request) {
    return under_way_.erase({session, request}) != 0;
  }

  void forget(SessionId session) {
    std::erase_if(under_way_, [&](const auto& one) { return one.first.first == session; });
  }

  [[nodiscard]] bool has(SessionId session, RequestId request) const {
    return under_way_.contains({session, request});
  }
  // Of all sessions.
  [[nodiscard]] std::size_t size() const { return under_way_.size(); }

 private:
  std::map<std::pair<SessionId, RequestId>, Number> under_way_;
  Number last_ = 0;
};

}  // namespace locketd
