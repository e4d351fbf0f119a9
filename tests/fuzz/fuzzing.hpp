// What the fuzz targets share: reading a program from arbitrary bytes, and failing loudly.
//
// A target is one libFuzzer function, LLVMFuzzerTestOneInput. ./dev fuzz builds it with libFuzzer;
// in every other build replay.cpp calls it for each file of the corpus.

#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <source_location>
#include <string>
#include <string_view>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace locket::fuzz {

// Ends the process, which the fuzzer detects.
inline void require(bool right, std::string_view wrong,
                    std::source_location where = std::source_location::current()) {
  if (right) return;
  std::fprintf(stderr, "%s:%u: %.*s\n", where.file_name(), static_cast<unsigned>(where.line()),
               static_cast<int>(wrong.size()), wrong.data());
  std::abort();
}

// Numbers from bytes. Reads past the end give zero, so that every input is a program.
class Input {
 public:
  explicit Input(std::string_view bytes) : bytes_(bytes) {}

  [[nodiscard]] bool empty() const { return bytes_.empty(); }

  std::uint8_t byte() {
    if (bytes_.empty()) return 0;
    const auto value = static_cast<std::uint8_t>(bytes_.front());
    bytes_.remove_prefix(1);
    return value;
  }
  std::size_t below(std::size_t bound) { return byte() % bound; }
  bool flag() { return byte() % 2 == 1; }

  std::string_view bytes(std::size_t count) {
    const auto taken = bytes_.substr(0, std::min(count, bytes_.size()));
    bytes_.remove_prefix(taken.size());
    return taken;
  }

 private:
  std::string_view bytes_;
};

inline std::string_view view_of(const std::uint8_t* data, std::size_t size) {
  return {reinterpret_cast<const char*>(data), size};
}

}  // namespace locket::fuzz
