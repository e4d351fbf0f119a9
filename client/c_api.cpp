// locket.h on top of the internal classes: only checks of arguments and conversion of errors.

#include <algorithm>
#include <cstring>
#include <memory>
#include <new>
#include <optional>
#include <string>

#include "client/c_error.hpp"
#include "client/deadline.hpp"
#include "client/lock.hpp"
#include "locket/locket.h"
#include "proto/version.hpp"

using locket::client::report;
namespace client = locket::client;
namespace proto = locket::proto;

struct locket_lock {
  std::unique_ptr<client::Lock> lock;
};

namespace {

// No exception crosses the ABI. Whatever is thrown here is std::bad_alloc or a bug of ours.
template <typename Body>
locket_code guarded(locket_error** error, Body body) noexcept {
  if (error != nullptr) *error = nullptr;
  try {
    return body();
  } catch (const std::bad_alloc&) {
    if (error != nullptr) *error = client::out_of_memory();
  } catch (...) {
    try {
      return report(error, {proto::Errc::internal_error, "a mistake in liblocket"}, {});
    } catch (...) {
      if (error != nullptr) *error = client::out_of_memory();
    }
  }
  return LOCKET_INTERNAL;
}

locket_code refuse(locket_error** error, const char* what) {
  return report(error, {proto::Errc::invalid_params, what}, {});
}

// NULL if there is no memory for the description.
const locket_error::Description* words_of(const locket_error& error) noexcept {
  try {
    return &error.description();
  } catch (...) {
    return nullptr;
  }
}

std::optional<double> value_of(const double* timeout) {
  return timeout != nullptr ? std::optional(*timeout) : std::nullopt;
}

}  // namespace

locket_code locket_new(const char* path, locket_lock** lock, locket_error** error) {
  return guarded(error, [&] {
    if (lock == nullptr) return refuse(error, "the place to put the lock is NULL");
    *lock = nullptr;
    if (path == nullptr) return refuse(error, "the path of the lock file is NULL");
    auto handle = std::make_unique<locket_lock>();
    auto made = client::Lock::make(path);
    if (!made) return report(error, made.error(), path);
    handle->lock = std::move(*made);
    *lock = handle.release();
    return LOCKET_OK;
  });
}

void locket_free(locket_lock* lock) {
  guarded(nullptr, [&] {
    delete lock;
    return LOCKET_OK;
  });
}

locket_code locket_acquire(locket_lock* lock, locket_mode mode, const double* timeout,
                           locket_error** error) {
  return guarded(error, [&] {
    if (lock == nullptr) return refuse(error, "the lock is NULL");
    // C callers may pass any number. C++ must not load a value that the enumeration does not have,
    // which std::bit_cast would do and memcpy does not.
    unsigned number = 0;
    static_assert(sizeof number == sizeof mode);
    std::memcpy(&number, &mode, sizeof number);
    if (number != LOCKET_EXCLUSIVE && number != LOCKET_SHARED) {
      return refuse(error, "the mode must be LOCKET_EXCLUSIVE or LOCKET_SHARED");
    }
    const std::string& path = lock->lock->path();
    const auto checked = client::check_timeout(value_of(timeout));
    if (!checked) return report(error, checked.error(), path);
    const auto wanted = number == LOCKET_SHARED ? proto::Mode::shared : proto::Mode::exclusive;
    const auto token = lock->lock->acquire(wanted, *checked);
    return token ? LOCKET_OK : report(error, token.error(), path, *checked);
  });
}

locket_code locket_release(locket_lock* lock, locket_error** error) {
  return guarded(error, [&] {
    if (lock == nullptr) return refuse(error, "the lock is NULL");
    const auto released = lock->lock->release();
    return released ? LOCKET_OK : report(error, released.error(), lock->lock->path());
  });
}

int locket_is_held(locket_lock* lock) {
  return locket_token(lock) != 0 ? 1 : 0;
}

uint64_t locket_token(locket_lock* lock) {
  std::uint64_t token = 0;
  guarded(nullptr, [&] {
    if (lock != nullptr) token = lock->lock->token();
    return LOCKET_OK;
  });
  return token;
}

void locket_on_lost(locket_lock* lock,
                    void (*callback)(locket_lock* lock, std::uint64_t token, void* context),
                    void* context) {
  if (lock == nullptr) return;
  const auto code = guarded(nullptr, [&] {
    if (callback == nullptr) {
      lock->lock->on_lost({});
    } else {
      lock->lock->on_lost([=](proto::Token token) { callback(lock, token, context); });
    }
    return LOCKET_OK;
  });
  // The caller takes it that the earlier context is no longer in use. Removing needs no memory.
  if (code != LOCKET_OK) lock->lock->on_lost({});
}

locket_code locket_keep_across_exec(locket_lock* lock, const char* command, int* descriptor,
                                    locket_error** error) {
  return guarded(error, [&] {
    if (descriptor != nullptr) *descriptor = -1;
    if (lock == nullptr) return refuse(error, "the lock is NULL");
    const auto kept = lock->lock->keep_across_exec(command != nullptr ? command : "");
    if (!kept) return report(error, kept.error(), lock->lock->path());
    if (descriptor != nullptr) *descriptor = kept->descriptor;
    return LOCKET_OK;
  });
}

locket_code locket_set_reason(locket_lock* lock, const char* reason, locket_error** error) {
  return guarded(error, [&] {
    if (lock == nullptr) return refuse(error, "the lock is NULL");
    const auto set = lock->lock->set_reason(reason != nullptr ? reason : "");
    return set ? LOCKET_OK : report(error, set.error(), lock->lock->path());
  });
}

const char* locket_path(const locket_lock* lock) {
  return lock != nullptr ? lock->lock->path().c_str() : "";
}

locket_code locket_check_timeout(const double* timeout, locket_error** error) {
  return guarded(error, [&] {
    const auto checked = client::check_timeout(value_of(timeout));
    return checked ? LOCKET_OK : report(error, checked.error(), {});
  });
}

// From a literal, so it is NUL-terminated.
const char* locket_version(void) {
  return proto::kVersion.data();
}

locket_code locket_error_code(const locket_error* error) {
  return error != nullptr ? error->code : LOCKET_OK;
}

int locket_error_os_error(const locket_error* error) {
  return error != nullptr ? error->os_error : 0;
}

const char* locket_error_message(const locket_error* error) {
  if (error == nullptr) return "";
  const auto* words = words_of(*error);
  return words != nullptr ? words->message.c_str() : error->message.c_str();
}

const char* locket_error_path(const locket_error* error) {
  return error != nullptr ? error->path.c_str() : "";
}

size_t locket_error_holder_count(const locket_error* error) {
  const auto* words = error != nullptr ? words_of(*error) : nullptr;
  return words != nullptr ? words->views.size() : 0;
}

const locket_holder* locket_error_holder(const locket_error* error, size_t index) {
  const auto* words = error != nullptr ? words_of(*error) : nullptr;
  return words != nullptr && index < words->views.size() ? &words->views[index] : nullptr;
}

void locket_error_free(locket_error* error) {
  if (error != client::out_of_memory()) delete error;
}
