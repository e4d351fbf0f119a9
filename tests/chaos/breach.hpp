// What must never happen, and the log of it in shared memory.
//
// Any process may write at any time, and be killed while writing; the supervisor reads. Entries
// that do not fit are still counted.

#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace locket::chaos {

enum class Breach : std::uint8_t {
  overlap,        // two are inside that exclude each other (C2, C6)
  overtaken,      // granted before one that surely waited longer (C4, C9)
  lost_place,     // a different ticket after a restart (C9)
  changed_token,  // a different token after a restart (C9)
  old_token,      // a token not above all earlier ones
  early,          // a timeout before its time (C3)
  late,           // a timeout long after its time (C3)
  refused_free,   // a try at a free lock failed (C7)
  refused,        // an error without a reason
  lost_hold,      // a release found nothing to release (C9)
  stuck,          // a wait that does not end
  died,           // a process ended differently than it should
  left_behind,    // a lock, descriptor, thread or session at the end (C8)
};

inline constexpr std::array kBreachNames{
    "overlap", "overtaken", "lost place",          "changed token",          "old token",
    "early",   "late",      "refused though free", "refused without reason", "lost hold",
    "stuck",   "died",      "left behind"};
inline constexpr std::size_t kBreaches = kBreachNames.size();
static_assert(kBreaches == static_cast<std::size_t>(Breach::left_behind) + 1);

class BreachLog {
 public:
  template <typename... Args>
  void add(Breach breach, fmt::format_string<Args...> text, Args&&... args) {
    write(breach, fmt::format(text, std::forward<Args>(args)...));
  }

  [[nodiscard]] std::uint64_t count(Breach breach) const {
    return counts_.at(static_cast<std::size_t>(breach));
  }
  [[nodiscard]] std::uint64_t count() const {
    std::uint64_t sum = 0;
    for (const auto& count : counts_) sum += count;
    return sum;
  }

  // What was written since the last call with the same `from`, which it advances. Skips a line
  // whose writer was killed while writing it.
  std::vector<std::string> read(std::size_t& from) const {
    std::vector<std::string> lines;
    for (const std::size_t end = std::min(next_.load(), lines_.size()); from < end; ++from) {
      if (lines_.at(from).written) lines.emplace_back(lines_.at(from).text.data());
    }
    return lines;
  }

 private:
  struct Line {
    std::atomic<bool> written;
    std::array<char, 320> text;
  };

  void write(Breach breach, std::string_view text) {
    ++counts_.at(static_cast<std::size_t>(breach));
    const std::size_t index = next_++;
    if (index >= lines_.size()) return;
    Line& line = lines_.at(index);
    const std::string_view name = kBreachNames.at(static_cast<std::size_t>(breach));
    const auto end = fmt::format_to_n(line.text.data(), line.text.size() - 1, "{}: {}", name, text);
    line.text.at(std::min(end.size, line.text.size() - 1)) = '\0';
    line.written = true;
  }

  std::array<std::atomic<std::uint64_t>, kBreaches> counts_;
  std::atomic<std::size_t> next_;
  std::array<Line, 200> lines_;
};

}  // namespace locket::chaos
