#include "client/keeper.hpp"

#include <new>

#include "client/channel.hpp"
#include "client/connection.hpp"
#include "client/own_thread.hpp"

namespace locket::client {

void Keeper::start() {
  if (running_) return;
  if (!alarm_) {
    auto alarm = Alarm::make();
    if (!alarm) return;
    alarm_ = std::move(*alarm);
  }
  running_ = start_thread(main, this);
}

void Keeper::alert() const {
  if (running_) alarm_->ring();
}

void Keeper::stop(std::unique_lock<std::mutex>& lock) {
  stopping_ = true;
  alert();
  ended_.wait(lock, [this] { return !running_; });
}

void Keeper::forget() {
  running_ = false;
  alarm_.reset();
}

void* Keeper::main(void* self) {
  name_this_thread("locket-keeper");
  static_cast<Keeper*>(self)->keep();
  return nullptr;
}

void Keeper::keep() {
  std::unique_lock lock(connection_.mutex_);
  while (!stopping_) {
    const Watch watch = do_what_is_due();
    lock.unlock();
    if (watch.channel) {
      watch.channel->watch(*alarm_, watch.interest, watch.until);
    } else {
      alarm_->sleep(-1, {}, watch.until);
    }
    lock.lock();
  }
  running_ = false;
  ended_.notify_all();
}

// A program that holds a lock must not end because there is no memory to tell a daemon of it.
Watch Keeper::do_what_is_due() {
  try {
    return connection_.keep_claims();
  } catch (const std::bad_alloc&) {
    return {.channel = nullptr, .interest = {}, .until = Clock::now() + Channel::kNoRoomPause};
  }
}

}  // namespace locket::client
