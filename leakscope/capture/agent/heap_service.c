#include "heap_service.h"

#include "heap.h"

#include <string.h>

static void answer(struct message *reply, const void *content, size_t size) {
    if (message_allocate(reply, size))
        memcpy(reply->body, content, size);
    else
        reply->header.status = STATUS_NO_MEMORY;
}

void heap_serve_freeze(const struct message *request, struct message *reply) {
    struct ls_heap_request asked;
    struct ls_heap_opened opened;
    int stream;
    if (request->header.length != sizeof asked) {
        reply->header.status = STATUS_BAD_REQUEST;
        return;
    }
    memcpy(&asked, request->body, sizeof asked);
    ls_heap_open(&asked, &opened, &stream);
    reply->header.waited_ns = opened.wait_ns;
    reply->header.held_ns = opened.pause_ns;
    if (opened.failure == LS_FAIL_FINALIZING)
        reply->header.status = STATUS_FINALIZING;
    answer(reply, &opened, sizeof opened);
    reply->descriptor = stream < 0 ? 0 : stream;
}

void heap_serve_reap(const struct message *request, struct message *reply) {
    struct ls_heap_reaped reaped;
    uint32_t wait_ms;
    if (request->header.length != sizeof wait_ms) {
        reply->header.status = STATUS_BAD_REQUEST;
        return;
    }
    memcpy(&wait_ms, request->body, sizeof wait_ms);
    ls_heap_reap(wait_ms, &reaped);
    answer(reply, &reaped, sizeof reaped);
}

void heap_forget(void) {
    struct ls_heap_reaped reaped;
    ls_heap_reap(0, &reaped);
}
