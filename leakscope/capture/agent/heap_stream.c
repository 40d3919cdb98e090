/* The child's end of the stream: whole frames to the controller, requests from it. Child only. */
#define _GNU_SOURCE
#include "heap.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { GATHERED = 1 << 16, LONGEST_NAME = 512 };

static int stream = -1;
static volatile uint64_t owed; /* of the frame that is being sent */
static unsigned char gathered[GATHERED];
static size_t gathered_bytes;
static uint32_t gathered_kind, gathered_count;

void ls_child_exit(int status) {
    for (;;)
        syscall(SYS_exit_group, status);
}

void ls_stream_open(int socket) { stream = socket; }

/* The controller is gone when it cannot be written to: then there is nothing left to do. */
void ls_stream_send(const void *bytes, size_t length) {
    const char *at = bytes;
    while (length > 0) {
        ssize_t sent = send(stream, at, length, MSG_NOSIGNAL);
        if (sent < 0 && errno == EINTR)
            continue;
        if (sent <= 0)
            ls_child_exit(0);
        at += sent;
        length -= (size_t)sent;
        owed -= (uint64_t)sent;
    }
}

int ls_stream_read(void *buffer, size_t bytes) {
    char *at = buffer;
    while (bytes > 0) {
        ssize_t got = recv(stream, at, bytes, 0);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return 0;
        at += got;
        bytes -= (size_t)got;
    }
    return 1;
}

void ls_stream_head(uint32_t kind, uint32_t count, uint64_t bytes) {
    struct ls_frame frame = {.kind = kind, .count = count, .bytes = bytes};
    owed = sizeof frame + bytes;
    ls_stream_send(&frame, sizeof frame);
}

void ls_stream_frame(uint32_t kind, uint32_t count, const void *payload, uint64_t bytes) {
    ls_stream_flush();
    ls_stream_head(kind, count, bytes);
    ls_stream_send(payload, bytes);
}

void ls_stream_flush(void) {
    if (gathered_count == 0)
        return;
    ls_stream_head(gathered_kind, gathered_count, gathered_bytes);
    ls_stream_send(gathered, gathered_bytes);
    gathered_count = 0;
    gathered_bytes = 0;
}

void ls_stream_record(uint32_t kind, const void *head, size_t head_bytes, const void *tail,
                      size_t tail_bytes) {
    if (kind != gathered_kind || head_bytes + tail_bytes > GATHERED - gathered_bytes)
        ls_stream_flush();
    gathered_kind = kind;
    memcpy(gathered + gathered_bytes, head, head_bytes);
    if (tail_bytes > 0)
        memcpy(gathered + gathered_bytes + head_bytes, tail, tail_bytes);
    gathered_bytes += head_bytes + tail_bytes;
    gathered_count++;
}

static struct {
    struct ls_frame head;
    uint64_t used;
    char type[LONGEST_NAME];
} last;

/* Returns how long the frame is. */
static size_t last_frame(enum ls_failure why) {
    const struct ls_type *type = ls_traversed;
    size_t bytes = sizeof last.used;
    if (type != NULL)
        bytes += ls_type_name(type->address, last.type, sizeof last.type);
    last.head = (struct ls_frame){LS_FRAME_FAILED, (uint32_t)why, bytes};
    last.used = ls_memory_used();
    return sizeof last.head + bytes;
}

void ls_child_fail(enum ls_failure why) {
    if (stream >= 0)
        ls_stream_send(&last, last_frame(why));
    ls_child_exit(1);
}

void ls_last_words(enum ls_failure why) {
    if (stream >= 0 && owed == 0)
        (void)!send(stream, &last, last_frame(why), MSG_NOSIGNAL | MSG_DONTWAIT);
}
