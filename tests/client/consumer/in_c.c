#include <locket/locket.h>
#include <stdio.h>

int main(void) {
  locket_lock* lock = NULL;
  if (locket_new("some.lock", &lock, NULL) != LOCKET_OK) return 1;
  puts(locket_path(lock));
  locket_free(lock);
  return 0;
}
