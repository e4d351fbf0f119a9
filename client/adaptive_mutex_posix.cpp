#include <pthread.h>

#include "client/adaptive_mutex.hpp"

namespace locket::client {

// Of glibc; elsewhere it stays a plain one.
AdaptiveMutex::AdaptiveMutex() {
#ifdef __GLIBC__
  pthread_mutexattr_t attributes;
  ::pthread_mutexattr_init(&attributes);
  ::pthread_mutexattr_settype(&attributes, PTHREAD_MUTEX_ADAPTIVE_NP);
  ::pthread_mutex_init(native_handle(), &attributes);
  ::pthread_mutexattr_destroy(&attributes);
#endif
}

}  // namespace locket::client
