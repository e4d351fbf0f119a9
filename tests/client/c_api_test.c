/* liblocket's C interface as a C99 program sees it, against a real locketd.
 *
 * Usage: c_api_test FOLDER, with LOCKET_SOCKET in the environment. Prints what is wrong; exits
 * with 0 if nothing is. */

#include <errno.h>
#include <fcntl.h>
#include <locket/locket.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

static int failures = 0;

#define CHECK(condition)                                              \
  do {                                                                \
    if (!(condition)) {                                               \
      ++failures;                                                     \
      fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition); \
    }                                                                 \
  } while (0)

static const double kAtOnce = 0;

static locket_lock* new_lock(const char* path) {
  locket_lock* lock = NULL;
  locket_error* error = NULL;
  CHECK(locket_new(path, &lock, &error) == LOCKET_OK);
  CHECK(lock != NULL && error == NULL);
  return lock;
}

static void A_lock_is_held_from_acquire_to_release(const char* path) {
  locket_lock* lock = new_lock(path);
  locket_error* error = NULL;
  CHECK(strcmp(locket_path(lock), path) == 0);
  CHECK(!locket_is_held(lock) && locket_token(lock) == 0);
  CHECK(locket_acquire(lock, LOCKET_EXCLUSIVE, NULL, &error) == LOCKET_OK && error == NULL);
  CHECK(locket_is_held(lock));
  uint64_t first = locket_token(lock);
  CHECK(first != 0);
  CHECK(locket_release(lock, &error) == LOCKET_OK && error == NULL);
  CHECK(!locket_is_held(lock) && locket_token(lock) == 0);
  CHECK(locket_acquire(lock, LOCKET_EXCLUSIVE, &kAtOnce, NULL) == LOCKET_OK);
  CHECK(locket_token(lock) > first);
  locket_free(lock); /* releases */
  lock = new_lock(path);
  CHECK(locket_acquire(lock, LOCKET_EXCLUSIVE, &kAtOnce, NULL) == LOCKET_OK);
  locket_free(lock);
}

static void Release_of_an_unlocked_lock_is_an_error_C5(const char* path) {
  locket_lock* lock = new_lock(path);
  locket_error* error = NULL;
  CHECK(locket_release(lock, NULL) == LOCKET_NOT_HELD);
  CHECK(locket_release(lock, &error) == LOCKET_NOT_HELD);
  CHECK(locket_error_code(error) == LOCKET_NOT_HELD);
  CHECK(strstr(locket_error_message(error), "cannot release unlocked lock") != NULL);
  CHECK(strcmp(locket_error_path(error), path) == 0);
  CHECK(locket_error_holder_count(error) == 0 && locket_error_holder(error, 0) == NULL);
  locket_error_free(error);
  locket_free(lock);
}

static void A_refusal_tells_who_holds_the_lock_C13(const char* path) {
  locket_lock* lock = new_lock(path);
  locket_lock* other = new_lock(path);
  locket_error* error = NULL;
  CHECK(locket_set_reason(lock, "a test", NULL) == LOCKET_OK);
  CHECK(locket_acquire(lock, LOCKET_EXCLUSIVE, NULL, NULL) == LOCKET_OK);
  CHECK(locket_acquire(other, LOCKET_SHARED, &kAtOnce, &error) == LOCKET_TIMED_OUT);
  CHECK(locket_error_holder_count(error) == 1);
  const locket_holder* holder = locket_error_holder(error, 0);
  CHECK(holder != NULL);
  if (holder != NULL) {
    CHECK(holder->pid > 0 && holder->mode == LOCKET_EXCLUSIVE && !holder->external);
    CHECK(strcmp(holder->reason, "a test") == 0);
    CHECK(strlen(holder->command) > 0 && strlen(holder->user) > 0);
    CHECK(holder->token == locket_token(lock));
    CHECK(holder->since > 1.5e9 && holder->held_s >= 0 && holder->held_s < 60);
  }
  CHECK(strstr(locket_error_message(error), "this process itself") != NULL);
  printf("%s\n", locket_error_message(error));
  locket_error_free(error);
  /* The same lock: released through the other handle (C5). */
  CHECK(locket_is_held(other) && locket_release(other, NULL) == LOCKET_OK);
  CHECK(!locket_is_held(lock));
  locket_free(other);
  locket_free(lock);
}

static void Shared_holds_add_up_C2(const char* path) {
  locket_lock* lock = new_lock(path);
  CHECK(locket_acquire(lock, LOCKET_SHARED, &kAtOnce, NULL) == LOCKET_OK);
  CHECK(locket_acquire(lock, LOCKET_SHARED, &kAtOnce, NULL) == LOCKET_OK);
  CHECK(locket_release(lock, NULL) == LOCKET_OK);
  CHECK(locket_is_held(lock));
  CHECK(locket_release(lock, NULL) == LOCKET_OK);
  CHECK(locket_release(lock, NULL) == LOCKET_NOT_HELD);
  locket_free(lock);
}

static void Bad_timeouts_are_refused_C3(const char* path) {
  const double bad[] = {-1, -1e-9, 1e300, 1e10, (double)INFINITY, -(double)INFINITY, (double)NAN};
  locket_lock* lock = new_lock(path);
  for (size_t i = 0; i < sizeof bad / sizeof bad[0]; ++i) {
    locket_error* error = NULL;
    CHECK(locket_check_timeout(&bad[i], NULL) == LOCKET_INVALID_ARGUMENT);
    CHECK(locket_acquire(lock, LOCKET_EXCLUSIVE, &bad[i], &error) == LOCKET_INVALID_ARGUMENT);
    CHECK(strstr(locket_error_message(error), "timeout") != NULL);
    locket_error_free(error);
  }
  CHECK(locket_check_timeout(NULL, NULL) == LOCKET_OK);
  CHECK(!locket_is_held(lock));
  locket_free(lock);
}

static void Bad_arguments_are_refused(const char* path) {
  locket_lock* lock = NULL;
  locket_error* error = NULL;
  char too_long[5001];
  memset(too_long, 'x', sizeof too_long - 1);
  too_long[sizeof too_long - 1] = '\0';
  CHECK(locket_new(NULL, &lock, &error) == LOCKET_INVALID_ARGUMENT && error != NULL);
  locket_error_free(error);
  CHECK(locket_new(path, NULL, NULL) == LOCKET_INVALID_ARGUMENT);
  CHECK(locket_new("", &lock, NULL) == LOCKET_INVALID_ARGUMENT);
  CHECK(locket_new(too_long, &lock, NULL) == LOCKET_INVALID_ARGUMENT && lock == NULL);
  CHECK(locket_acquire(NULL, LOCKET_SHARED, NULL, NULL) == LOCKET_INVALID_ARGUMENT);
  CHECK(locket_release(NULL, NULL) == LOCKET_INVALID_ARGUMENT);
  CHECK(locket_keep_across_exec(NULL, NULL, NULL, NULL) == LOCKET_INVALID_ARGUMENT);
  locket_on_lost(NULL, NULL, NULL);
  CHECK(!locket_is_held(NULL) && locket_token(NULL) == 0);
  locket_free(NULL);
  locket_error_free(NULL);
  lock = new_lock(path);
  CHECK(locket_acquire(lock, (locket_mode)7, NULL, NULL) == LOCKET_INVALID_ARGUMENT);
  CHECK(locket_set_reason(lock, too_long, NULL) == LOCKET_INVALID_ARGUMENT);
  CHECK(locket_set_reason(lock, NULL, NULL) == LOCKET_OK);
  locket_free(lock);
}

static void A_missing_folder_is_an_error_that_names_it_C12(const char* folder) {
  char path[4096];
  locket_error* error = NULL;
  snprintf(path, sizeof path, "%s/missing/lock", folder);
  locket_lock* lock = new_lock(path);
  CHECK(locket_acquire(lock, LOCKET_EXCLUSIVE, &kAtOnce, &error) == LOCKET_FILE_ERROR);
  CHECK(locket_error_os_error(error) == ENOENT);
  CHECK(strstr(locket_error_message(error), "missing does not exist") != NULL);
  locket_error_free(error);
  locket_free(lock);
}

static void ignore(locket_lock* lock, uint64_t token, void* context) {
  (void)lock;
  (void)token;
  (void)context;
}

static void A_lock_can_be_kept_across_exec(const char* path) {
  locket_lock* lock = new_lock(path);
  locket_error* error = NULL;
  int descriptor = 0;
  locket_on_lost(lock, ignore, NULL);
  CHECK(locket_keep_across_exec(lock, "next", &descriptor, &error) == LOCKET_NOT_HELD);
  CHECK(descriptor == -1 && strstr(locket_error_message(error), path) != NULL);
  locket_error_free(error);
  CHECK(locket_acquire(lock, LOCKET_EXCLUSIVE, NULL, NULL) == LOCKET_OK);
  CHECK(locket_keep_across_exec(lock, "next", &descriptor, NULL) == LOCKET_OK);
  CHECK(fcntl(descriptor, F_GETFD) == 0);
  CHECK(locket_release(lock, NULL) == LOCKET_OK);
  CHECK(fcntl(descriptor, F_GETFD) == -1);
  locket_on_lost(lock, NULL, NULL);
  locket_free(lock);
}

int main(int argc, char** argv) {
  char path[4096];
  if (argc != 2) {
    fprintf(stderr, "usage: %s FOLDER\n", argv[0]);
    return 64;
  }
  snprintf(path, sizeof path, "%s/c.lock", argv[1]);
  CHECK(strlen(locket_version()) > 0);
  A_lock_is_held_from_acquire_to_release(path);
  Release_of_an_unlocked_lock_is_an_error_C5(path);
  A_refusal_tells_who_holds_the_lock_C13(path);
  Shared_holds_add_up_C2(path);
  Bad_timeouts_are_refused_C3(path);
  Bad_arguments_are_refused(path);
  A_missing_folder_is_an_error_that_names_it_C12(argv[1]);
  A_lock_can_be_kept_across_exec(path);
  return failures == 0 ? 0 : 1;
}
