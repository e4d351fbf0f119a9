#include "tests/bench/floor.h"

#include <fcntl.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* As long as the messages of locketd and its library. */
enum { REQUEST_SIZE = 120, REPLY_SIZE = 80, NOTICE_SIZE = 80 };
enum { ACQUIRE = 'A', RELEASE = 'R', PING = 'P' };
enum { MOST_DESCRIPTORS = 1024, EVENTS_AT_ONCE = 64 };

static struct sockaddr_un address_of(const char* path) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  strncpy(address.sun_path, path, sizeof address.sun_path - 1);
  return address;
}

int floor_connect(const char* socket_path) {
  const struct sockaddr_un address = address_of(socket_path);
  const int server = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (connect(server, (const struct sockaddr*)&address, sizeof address) == 0) return server;
  close(server);
  return -1;
}

union control {
  struct cmsghdr header;
  char bytes[CMSG_SPACE(sizeof(int))];
};

static ssize_t send_with(int to, const void* bytes, size_t size, int file) {
  union control control;
  struct iovec data = {(void*)bytes, size};
  struct msghdr message = {.msg_iov = &data, .msg_iovlen = 1};
  message.msg_control = control.bytes;
  message.msg_controllen = sizeof control.bytes;
  struct cmsghdr* header = CMSG_FIRSTHDR(&message);
  header->cmsg_level = SOL_SOCKET;
  header->cmsg_type = SCM_RIGHTS;
  header->cmsg_len = CMSG_LEN(sizeof(int));
  memcpy(CMSG_DATA(header), &file, sizeof file);
  return sendmsg(to, &message, MSG_NOSIGNAL);
}

/* `file` becomes the descriptor that came along, or stays as it is. */
static ssize_t receive_with(int from, void* bytes, size_t size, int* file) {
  union control control;
  struct iovec data = {bytes, size};
  struct msghdr message = {.msg_iov = &data, .msg_iovlen = 1};
  message.msg_control = control.bytes;
  message.msg_controllen = sizeof control.bytes;
  const ssize_t length = recvmsg(from, &message, MSG_CMSG_CLOEXEC);
  const struct cmsghdr* header = length > 0 ? CMSG_FIRSTHDR(&message) : NULL;
  if (header != NULL) memcpy(file, CMSG_DATA(header), sizeof *file);
  return length;
}

int floor_acquire(int server, const char* path) {
  char request[REQUEST_SIZE] = {ACQUIRE};
  char reply[REPLY_SIZE];
  const int file = open(path, O_RDONLY | O_CREAT | O_CLOEXEC, 0666);
  if (file < 0) return -1;
  if (send_with(server, request, sizeof request, file) < 0 ||
      recv(server, reply, sizeof reply, 0) <= 0) {
    close(file);
    return -1;
  }
  return file;
}

int floor_release(int server, int file) {
  char notice[NOTICE_SIZE] = {RELEASE};
  flock(file, LOCK_UN);
  const ssize_t sent = send(server, notice, sizeof notice, MSG_NOSIGNAL);
  close(file);
  return sent < 0 ? -1 : 0;
}

int floor_ping(int server) {
  char byte = PING;
  if (send(server, &byte, 1, MSG_NOSIGNAL) < 0) return -1;
  return recv(server, &byte, 1, 0) == 1 ? 0 : -1;
}

/* Receives one request, or a notice and the request after it. Not 0: the client has hung up. */
static int serve_once(int client, int* held) {
  char bytes[NOTICE_SIZE + REQUEST_SIZE];
  char reply[REPLY_SIZE] = {0};
  int file = -1;
  const ssize_t length = receive_with(client, bytes, sizeof bytes, &file);
  if (length <= 0) return -1;
  if (bytes[0] == RELEASE) close(*held);
  if (bytes[0] == PING) send(client, bytes, 1, MSG_NOSIGNAL);
  if (file < 0) return 0;
  *held = file;
  if (flock(file, LOCK_EX | LOCK_NB) == 0) send(client, reply, sizeof reply, MSG_NOSIGNAL);
  return 0;
}

static int listen_at(const char* socket_path) {
  const struct sockaddr_un address = address_of(socket_path);
  const int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (bind(listener, (const struct sockaddr*)&address, sizeof address) != 0) return -1;
  return listen(listener, SOMAXCONN) == 0 ? listener : -1;
}

int floor_serve(const char* socket_path) {
  const int listener = listen_at(socket_path);
  if (listener < 0) return -1;
  for (;;) {
    int held = -1;
    const int client = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    if (client < 0) return -1;
    while (serve_once(client, &held) == 0) {
    }
    close(client);
  }
}

static int watch(int poll, int descriptor) {
  struct epoll_event event = {.events = EPOLLIN, .data.fd = descriptor};
  return epoll_ctl(poll, EPOLL_CTL_ADD, descriptor, &event);
}

int floor_serve_many(const char* socket_path) {
  static int held[MOST_DESCRIPTORS];
  struct epoll_event events[EVENTS_AT_ONCE];
  const int listener = listen_at(socket_path);
  if (listener < 0) return -1;
  const int poll = epoll_create1(EPOLL_CLOEXEC);
  if (watch(poll, listener) != 0) return -1;
  for (;;) {
    const int count = epoll_wait(poll, events, EVENTS_AT_ONCE, -1);
    if (count < 0) return -1;
    for (int i = 0; i < count; ++i) {
      const int ready = events[i].data.fd;
      if (ready != listener) {
        if (serve_once(ready, &held[ready]) != 0) close(ready);
        continue;
      }
      const int client = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
      if (client < 0 || client >= MOST_DESCRIPTORS || watch(poll, client) != 0) return -1;
    }
  }
}
