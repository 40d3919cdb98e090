/* When tasks were made, and where. Child only; reads, runs nothing. */
#include "heap_names.h"

#include <string.h>

/* The number of a task, as asyncio gives it: in its name, `Task-7`; from 3.12 on alone until
 * somebody asks for the name. */
struct numbered {
    struct ls_visitor visitor;
    uint64_t number;
};

static uint64_t number_in_name(ls_object name) {
    static const char given[] = "Task-";
    enum { PREFIX = sizeof given - 1, MOST_DIGITS = 18 };
    char text[PREFIX + MOST_DIGITS];
    size_t length = ls_text_of(name, text, sizeof text);
    if (length <= PREFIX || (size_t)ls_text_length(name) != length ||
        memcmp(text, given, PREFIX) != 0)
        return UINT64_MAX;
    uint64_t number = 0;
    for (size_t i = PREFIX; i < length; i++) {
        if (text[i] < '0' || text[i] > '9')
            return UINT64_MAX;
        number = number * 10 + (uint64_t)(text[i] - '0');
    }
    return number;
}

static int note_number(ls_object referent, void *context) {
    struct numbered *task = context;
    if (task->number != UINT64_MAX || !ls_is_object(referent))
        return 0;
    task->number = number_in_name(referent);
    if (task->number == UINT64_MAX && ls_python.at.minor >= 12)
        task->number = ls_number_of(referent);
    return 0;
}

void ls_numbers_answer(const uint64_t *addresses, uint32_t count) {
    for (uint32_t i = 0; i < count; i++) {
        struct numbered task = {.number = UINT64_MAX};
        if (ls_is_object(addresses[i]))
            ls_references(addresses[i], ls_type_of(addresses[i]), note_number, &task.visitor);
        ls_stream_record(LS_FRAME_NAMES, &task.number, sizeof task.number, NULL, 0);
    }
}

/* ---- Where: in its debug mode asyncio keeps a list of the calls that made a task, of which
 * `traceback` has made texts. */

struct made {
    struct ls_visitor visitor;
    ls_object calls;
};

static ls_object item_of(ls_object list, int64_t index) {
    ls_object item = LS_POINTER(LS_POINTER(list, LS_LIST_ITEMS), (uintptr_t)index * sizeof item);
    return ls_is_object(item) ? item : 0;
}

static ls_object text_in(ls_object call, const char *name) {
    ls_object text = call == 0 ? 0 : ls_attribute_value(call, ls_type_of(call), name);
    return ls_is_object(text) && ls_type_of(text)->kind == LS_KIND_STR ? text : 0;
}

static int note_calls(ls_object referent, void *context) {
    struct made *made = context;
    if (ls_is_object(referent) && ls_type_of(referent)->kind == LS_KIND_LIST &&
        LS_FIELD(int64_t, referent, LS_OB_SIZE) > 0 && text_in(item_of(referent, 0), "filename"))
        made->calls = referent;
    return 0;
}

static void send_calls(ls_object calls) {
    int64_t count = LS_FIELD(int64_t, calls, LS_OB_SIZE);
    for (int64_t i = 0; i < count; i++) {
        ls_object call = item_of(calls, i), file = text_in(call, "filename");
        if (file == 0)
            continue;
        ls_object line = ls_attribute_value(call, ls_type_of(call), "lineno");
        uint64_t number = ls_is_object(line) ? ls_number_of(line) : 0;
        ls_send_place(text_in(call, "name"), file, number <= INT32_MAX ? (int32_t)number : 0);
    }
}

void ls_makers_answer(const uint64_t *addresses, uint32_t count) {
    for (uint32_t i = 0; i < count; i++) {
        struct made made = {.calls = 0};
        ls_object task = ls_is_object(addresses[i]) ? addresses[i] : 0;
        if (task != 0)
            ls_references(task, ls_type_of(task), note_calls, &made.visitor);
        if (task != 0 && made.calls == 0) /* a task in Python */
            note_calls(ls_attribute_value(task, ls_type_of(task), "_source_traceback"), &made);
        if (made.calls != 0)
            send_calls(made.calls);
        ls_send_end();
    }
}
