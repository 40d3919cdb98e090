/* Questions about the frozen heap, answered while its copy waits. Child only.
 *
 * A request is a frame head and `count` addresses. LS_ASK_CHAIN: each refers to the next; the
 * answer is one text per reference, in order. LS_ASK_CALLS: the answer is, per address, where that
 * code is suspended and what it awaits in turn, as LS_ROOT_CALL records; LS_ROOT_END ends each.
 * LS_ASK_LABELS: one text per address, what an object is called that nothing refers to.
 * LS_ASK_NUMBERS: per address 64 bits, the number of a task, or all ones. LS_ASK_MAKERS: as
 * LS_ASK_CALLS, where a task was made.
 * The others are asked without addresses. */
#include "heap_edge.h"

#include <string.h>

enum { MOST_ADDRESSES = 4096, LONGEST_AWAIT = 64 };

static uint64_t addresses[MOST_ADDRESSES];
static struct ls_phrase phrase;

static void send_phrase(void) {
    uint32_t length = (uint32_t)phrase.length;
    ls_stream_record(LS_FRAME_NAMES, &length, sizeof length, phrase.text, length);
}

static void answer_chain(uint32_t count) {
    struct ls_context context = {.kind = LS_CONTEXT_NONE};
    for (uint32_t i = 0; i + 1 < count; i++) {
        struct ls_edge edge = {.from = addresses[i], .to = addresses[i + 1]};
        phrase.length = 0;
        if (ls_is_object(edge.from) && ls_is_object(edge.to)) {
            edge.type = ls_type_of(edge.from);
            ls_name_edge(&edge, &context, &phrase);
        } else {
            ls_put(&phrase, "<reference>");
        }
        send_phrase();
    }
}

/* What a suspended coroutine or generator waits for: the suspended code that it refers to last. */
struct awaited {
    struct ls_visitor visitor;
    ls_object found;
};

static int note_suspended(ls_object referent, void *context) {
    struct awaited *awaited = context;
    if (ls_plausible(referent) && ls_visited_has(referent) &&
        ls_type_of(referent)->kind == LS_KIND_GENERATOR)
        awaited->found = referent;
    return 0;
}

static ls_object awaited_by(ls_object object, const struct ls_call *call) {
    struct awaited awaited = {.found = 0};
    if (ls_python.at.minor <= 10 && ls_type_of(object)->kind == LS_KIND_GENERATOR)
        object = LS_POINTER(object, ls_python.at.gen_frame);
    ls_references(object, ls_type_of(object), note_suspended, &awaited.visitor);
    for (uint32_t i = 0; i < call->count; i++)
        if (ls_call_local(call, i) == awaited.found)
            return 0; /* merely a local variable */
    return awaited.found;
}

static ls_object suspended_code_of(ls_object object) {
    struct awaited awaited = {.found = 0};
    if (ls_type_of(object)->kind != LS_KIND_GENERATOR)
        ls_references(object, ls_type_of(object), note_suspended, &awaited.visitor);
    return awaited.found != 0 ? awaited.found : object;
}

static void send_awaited_calls(ls_object object) {
    struct ls_call call;
    for (int depth = 0; object != 0 && depth < LONGEST_AWAIT; depth++) {
        if (!ls_call_of(object, ls_type_of(object), &call))
            return;
        ls_send_call(LS_ROOT_CALL, object, 0, &call);
        object = awaited_by(object, &call);
    }
}

/* Of the innermost calls, the outermost first. */
static void send_greenlet_calls(ls_object greenlet) {
    struct ls_call calls[LONGEST_AWAIT];
    int depth = 0;
    uintptr_t frame = ls_greenlet_frame(greenlet, ls_type_of(greenlet));
    for (; frame != 0 && depth < LONGEST_AWAIT; frame = ls_greenlet_frame_before(frame))
        depth += ls_call_of_frame(frame, &calls[depth]);
    while (depth-- > 0)
        ls_send_call(LS_ROOT_CALL, calls[depth].code, 0, &calls[depth]);
}

static void answer_calls(uint32_t count) {
    for (uint32_t i = 0; i < count; i++) {
        ls_object object = ls_is_object(addresses[i]) ? addresses[i] : 0;
        if (object != 0 && ls_type_of(object)->kind == LS_KIND_GREENLET)
            send_greenlet_calls(object);
        else if (object != 0)
            send_awaited_calls(suspended_code_of(object));
        ls_send_end();
    }
}

static void answer_labels(uint32_t count) {
    for (uint32_t i = 0; i < count; i++) {
        phrase.length = 0;
        if (ls_is_object(addresses[i]) && ls_type_of(addresses[i])->kind == LS_KIND_TYPE)
            phrase.length = ls_type_name(addresses[i], phrase.text, sizeof phrase.text);
        send_phrase();
    }
}

/* Answer LS_ASK_COLLECTOR: 1 if the collector runs by itself, 0 if it is off. */
static void answer_collector(void) {
    enum { ENABLED_3_9 = -12 }; /* from the head of the young generation */
    int32_t told = ls_python.collects != NULL ? ls_python.collects()
                                              : LS_FIELD(int32_t, ls_frozen.heads[0], ENABLED_3_9);
    ls_stream_frame(LS_FRAME_NAMES, 1, &told, sizeof told);
}

void ls_names_serve(void) {
    struct ls_frame request;
    while (ls_stream_read(&request, sizeof request)) {
        if (request.count > MOST_ADDRESSES ||
            request.bytes != request.count * sizeof addresses[0] ||
            !ls_stream_read(addresses, request.bytes))
            ls_child_fail(LS_FAIL_REQUEST);
        if (request.kind == LS_ASK_CHAIN)
            answer_chain(request.count);
        else if (request.kind == LS_ASK_CALLS)
            answer_calls(request.count);
        else if (request.kind == LS_ASK_LABELS)
            answer_labels(request.count);
        else if (request.kind == LS_ASK_MALLOC)
            ls_malloc_answer();
        else if (request.kind == LS_ASK_DESCRIPTORS)
            ls_descriptors_answer();
        else if (request.kind == LS_ASK_COLLECTOR)
            answer_collector();
        else if (request.kind == LS_ASK_NUMBERS)
            ls_numbers_answer(addresses, request.count);
        else if (request.kind == LS_ASK_MAKERS)
            ls_makers_answer(addresses, request.count);
        else
            ls_child_fail(LS_FAIL_REQUEST);
        ls_stream_flush();
        ls_stream_head(LS_FRAME_END, 0, 0);
    }
}
