// From the library's errors to locket_error, which programs see: the one mapping between the two.
//
// A locket_error is owned by the program. Thread-safe: it never changes except for the description
// of a refusal, which is made once, when first asked for. Describing reads the user database and
// /proc, which must neither make a timed wait late (C3) nor cost a caller that only wants to know
// whether it got the lock.

#pragma once

#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "client/holders.hpp"
#include "locket/locket.h"
#include "proto/errors.hpp"
#include "proto/messages.hpp"

struct locket_error {
  // In words: the message, and who holds the lock.
  struct Description {
    std::string message;
    std::vector<locket::client::Holder> holders;  // owns the texts that `views` shows
    std::vector<locket_holder> views;
  };

  locket_error(locket_code from, const locket::proto::Error& error)
      : code(from), os_error(error.os_error), message(error.message) {}

  locket_code code;
  int os_error;
  std::string message;
  std::string path;  // bytes
  std::optional<locket::proto::Refusal> refusal;
  std::optional<locket::proto::Seconds> timeout;  // the one that expired

  [[nodiscard]] const Description& description() const;

 private:
  [[nodiscard]] Description describe() const;

  mutable std::once_flag once_;
  mutable Description description_;
};

namespace locket::client {

locket_code code_of(proto::Errc code);

// Stores the error in `*out` unless `out` is NULL, and returns its code.
locket_code report(locket_error** out, const proto::Error& error, const std::string& path);

// The same for an acquire, with who holds the lock.
locket_code report(locket_error** out, const proto::Failure& failure, const std::string& path,
                   std::optional<proto::Seconds> timeout);

// For when there is no memory for a locket_error: this one needs none.
locket_error* out_of_memory();

}  // namespace locket::client
