#define _GNU_SOURCE
#include "wire.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

enum {
    STALLED_MS = 30000,
    FOR_EVER = -1,
    FIRST_DESCRIPTOR = 200, /* out of the way of programs that count on low numbers */
};

static volatile int connection = -1;
static dev_t connection_device;
static ino_t connection_inode;

/* glibc exports `fstat` only since 2.33; the kernel's structure is the same on our machines. */
static bool descriptor_status(int fd, struct stat *status) {
    return syscall(SYS_fstat, fd, status) == 0;
}

bool wire_connect(const char *path) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    size_t length = strlen(path);
    if (length >= sizeof address.sun_path)
        return false;
    memcpy(address.sun_path, path, length + 1);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return false;
    int high = fcntl(fd, F_DUPFD_CLOEXEC, FIRST_DESCRIPTOR);
    if (high >= 0) {
        close(fd);
        fd = high;
    }
    struct stat status;
    if (connect(fd, (struct sockaddr *)&address, sizeof address) != 0 ||
        !descriptor_status(fd, &status)) {
        close(fd);
        return false;
    }
    connection_device = status.st_dev;
    connection_inode = status.st_ino;
    connection = fd;
    return true;
}

/* The target may close descriptors that it does not know, and the number may be given away again.
 * Whatever is no longer our socket is not touched. */
static bool is_ours(int fd) {
    struct stat status;
    return fd >= 0 && descriptor_status(fd, &status) && status.st_dev == connection_device &&
           status.st_ino == connection_inode;
}

void wire_close(void) {
    int fd = connection;
    connection = -1;
    if (is_ours(fd))
        close(fd);
}

void wire_shut_down(void) {
    if (is_ours(connection))
        shutdown(connection, SHUT_RDWR);
    wire_close();
}

/* Wait until the socket is ready; false on error or when nothing happens within the time. */
static bool is_ready(short events, int timeout_ms) {
    struct pollfd poller = {.fd = connection, .events = events};
    int count;
    do
        count = poll(&poller, 1, timeout_ms);
    while (count < 0 && errno == EINTR);
    return count == 1 && (poller.revents & events) && is_ours(connection);
}

static bool receive_all(void *buffer, size_t size, int timeout_ms) {
    for (char *to = buffer; size > 0;) {
        if (!is_ready(POLLIN, timeout_ms))
            return false;
        ssize_t count = recv(connection, to, size, MSG_DONTWAIT);
        if (count == 0 || (count < 0 && errno != EAGAIN && errno != EINTR))
            return false;
        if (count > 0) {
            to += count;
            size -= (size_t)count;
            timeout_ms = STALLED_MS;
        }
    }
    return true;
}

static bool send_all(const void *buffer, size_t size) {
    for (const char *from = buffer; size > 0;) {
        if (!is_ready(POLLOUT, STALLED_MS))
            return false;
        ssize_t count = send(connection, from, size, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (count < 0 && errno != EAGAIN && errno != EINTR)
            return false;
        if (count > 0) {
            from += count;
            size -= (size_t)count;
        }
    }
    return true;
}

bool wire_receive(struct message *request) {
    request->body = NULL;
    request->descriptor = 0;
    return receive_all(&request->header, sizeof request->header, FOR_EVER) &&
           request->header.length <= REQUEST_LIMIT &&
           message_allocate(request, request->header.length) &&
           (receive_all(request->body, request->header.length, STALLED_MS) ||
            (message_free(request), false));
}

/* Send one byte, which carries a descriptor with it. */
static bool send_with_descriptor(const void *byte, int descriptor) {
    union {
        struct cmsghdr head;
        char space[CMSG_SPACE(sizeof descriptor)];
    } control = {.head = {.cmsg_len = CMSG_LEN(sizeof descriptor),
                          .cmsg_level = SOL_SOCKET,
                          .cmsg_type = SCM_RIGHTS}};
    memcpy(CMSG_DATA(&control.head), &descriptor, sizeof descriptor);
    struct iovec part = {.iov_base = (void *)(uintptr_t)byte, .iov_len = 1};
    struct msghdr message = {.msg_iov = &part,
                             .msg_iovlen = 1,
                             .msg_control = &control,
                             .msg_controllen = sizeof control};
    while (is_ready(POLLOUT, STALLED_MS)) {
        ssize_t count = sendmsg(connection, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (count >= 0 || (errno != EAGAIN && errno != EINTR))
            return count == 1;
    }
    return false;
}

bool wire_send(const struct message *message) {
    const char *header = (const char *)&message->header;
    size_t sent = message->descriptor ? 1 : 0;
    if (sent && !send_with_descriptor(header, message->descriptor))
        return false;
    return send_all(header + sent, sizeof message->header - sent) &&
           send_all(message->body, message->header.length);
}

bool message_allocate(struct message *message, size_t size) {
    void *memory = mmap(NULL, size + 1, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED)
        return false;
    message->body = memory;
    message->header.length = (uint32_t)size;
    return true;
}

void message_free(struct message *message) {
    if (message->body)
        munmap(message->body, (size_t)message->header.length + 1);
    if (message->descriptor)
        close(message->descriptor);
    message->body = NULL;
    message->descriptor = 0;
    message->header.length = 0;
}
