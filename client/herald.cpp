#include "client/herald.hpp"

#include "client/own_thread.hpp"

namespace locket::client {

Herald::~Herald() {
  std::unique_lock lock(mutex_);
  untold_.clear();
  returned_->wait(lock, [this] { return !running_; });
}

void Herald::set_callback(Owner owner, Callback callback) {
  std::unique_lock lock(mutex_);
  if (callback) {
    callbacks_[owner] = std::make_shared<const Callback>(std::move(callback));
  } else {
    callbacks_.erase(owner);
    // Another handle may later be at its address.
    std::erase_if(untold_, [&](const Loss& loss) { return loss.owner == owner; });
  }
  returned_->wait(lock, [&] { return called_ != owner || caller_ == std::this_thread::get_id(); });
}

void Herald::announce(Losses losses) noexcept {
  const std::lock_guard lock(mutex_);
  std::erase_if(losses, [&](const Loss& loss) { return !callbacks_.contains(loss.owner); });
  if (losses.empty()) return;
  untold_.splice(untold_.end(), losses);
  start();
}

bool Herald::is_stuck() {
  const std::lock_guard lock(mutex_);
  return !untold_.empty() && !running_;
}

void Herald::try_again() {
  const std::lock_guard lock(mutex_);
  if (!untold_.empty()) start();
}

void Herald::forget() {
  untold_.clear();
  running_ = false;
  called_ = nullptr;
  std::ignore = returned_.release();
  returned_ = std::make_unique<std::condition_variable>();
}

void Herald::start() {
  if (!running_) running_ = start_thread(main, this);
}

void* Herald::main(void* self) {
  name_this_thread("locket-herald");
  static_cast<Herald*>(self)->tell_all();
  return nullptr;
}

void Herald::tell_all() {
  std::unique_lock lock(mutex_);
  while (!untold_.empty()) {
    const auto [owner, token] = untold_.front();
    untold_.pop_front();
    const auto found = callbacks_.find(owner);
    if (found == callbacks_.end()) continue;
    // A copy: the callback may replace itself.
    auto callback = found->second;
    called_ = owner;
    caller_ = std::this_thread::get_id();
    lock.unlock();
    (*callback)(token);
    callback.reset();
    lock.lock();
    called_ = nullptr;
    returned_->notify_all();
  }
  running_ = false;
  returned_->notify_all();
}

}  // namespace locket::client
