/* Where the heap hangs from: modules, and the local variables of running functions. Child only.
 *
 * Sent as records of LS_FRAME_ROOTS: a module with its file; a thread, with its native id for an
 * offset, and then its context (of
 * contextvars) and its calls from the innermost outwards, each followed by its local variables. */
#include "heap_names.h"

#include <string.h>

enum { NAME_ROOM = 512, FILE_ROOM = 4096, TABLE_ROOM = 32768 };
enum { DEEPEST = 1000, DEEPEST_OF_ALL = 1 << 20, MOST_THREADS = 1 << 16 };

struct root {
    uint32_t kind;
    int32_t first_line;
    uint64_t object;
    uint64_t thread;
    int32_t offset; /* of the instruction, in bytes */
    uint32_t name_bytes, file_bytes, table_bytes;
};

static char text[NAME_ROOM + FILE_ROOM + TABLE_ROOM];

static void send_root(struct root *root) {
    uint64_t bytes = (uint64_t)root->name_bytes + root->file_bytes + root->table_bytes;
    ls_stream_record(LS_FRAME_ROOTS, root, sizeof *root, text, bytes);
}

/* What a module says is its file, 0 if it says nothing. */
static ls_object file_of_module(ls_object module) {
    ls_object names = ls_attribute_dict(module, ls_type_of(module));
    ls_object file = names == 0 ? 0 : ls_dict_value_of(names, "__file__");
    return file != 0 && ls_visited_has(file) ? file : 0;
}

static void send_module(ls_object name, ls_object module) {
    struct root root = {.kind = LS_ROOT_MODULE, .object = module};
    root.name_bytes = (uint32_t)ls_text_of(name, text, NAME_ROOM);
    ls_object file = file_of_module(module);
    if (file != 0)
        root.file_bytes = (uint32_t)ls_text_of(file, text + root.name_bytes, FILE_ROOM);
    send_root(&root);
}

static void send_modules(ls_object modules) {
    ls_object name, module;
    intptr_t position = 0;
    while (ls_python.dict_next(modules, &position, &name, &module))
        if (ls_visited_has(module))
            send_module(name, module);
}

void ls_send_call(uint32_t kind, uint64_t object, uint64_t thread, const struct ls_call *call) {
    const struct ls_offsets *at = &ls_python.at;
    struct root root = {.kind = kind, .object = object, .thread = thread, .offset = call->offset};
    root.first_line = LS_FIELD(int32_t, call->code, at->code_first_line);
    root.name_bytes = (uint32_t)ls_function_name(call->code, text, NAME_ROOM);
    root.file_bytes = (uint32_t)ls_text_of(LS_POINTER(call->code, at->code_filename),
                                           text + root.name_bytes, FILE_ROOM);
    ls_object table = LS_POINTER(call->code, at->code_linetable);
    uint64_t length = table == 0 ? 0 : LS_FIELD(uint64_t, table, LS_OB_SIZE);
    if (length <= TABLE_ROOM) {
        root.table_bytes = (uint32_t)length;
        memcpy(text + root.name_bytes + root.file_bytes, (void *)(table + LS_BYTES_START), length);
    }
    send_root(&root);
}

void ls_send_place(ls_object name, ls_object file, int32_t line) {
    struct root root = {.kind = LS_ROOT_CALL, .first_line = line};
    root.name_bytes = name == 0 ? 0 : (uint32_t)ls_text_of(name, text, NAME_ROOM);
    root.file_bytes = (uint32_t)ls_text_of(file, text + root.name_bytes, FILE_ROOM);
    send_root(&root);
}

static void send_locals(uint64_t thread, const struct ls_call *call) {
    for (uint32_t i = 0; i < call->count; i++) {
        ls_object value = ls_call_local(call, i);
        if (!ls_plausible(value) || !ls_visited_has(value))
            continue;
        struct root root = {.kind = LS_ROOT_LOCAL, .object = value, .thread = thread};
        root.name_bytes = (uint32_t)ls_local_name(call->code, i, text, NAME_ROOM);
        if (root.name_bytes != 0)
            send_root(&root);
    }
}

/* What the kernel calls a thread, 0 if that is not known. */
static int32_t native_id(void *thread, ls_object object) {
    const struct ls_offsets *at = &ls_python.at;
    uint64_t id = 0;
    if (at->thread_native_id != 0)
        id = LS_FIELD(uint64_t, (uintptr_t)thread, at->thread_native_id);
    else if (object != 0) {
        ls_object number = ls_attribute_value(object, ls_type_of(object), "_native_id");
        id = number != 0 && ls_visited_has(number) ? ls_number_of(number) : 0;
    }
    return id <= INT32_MAX ? (int32_t)id : 0;
}

static void send_thread(void *thread) {
    const struct ls_offsets *at = &ls_python.at;
    uint64_t ident = LS_FIELD(uint64_t, (uintptr_t)thread, at->thread_id);
    ls_object data = LS_POINTER((uintptr_t)thread, at->thread_dict);
    struct root root = {.kind = LS_ROOT_THREAD, .thread = ident};
    if (ls_plausible(data) && ls_visited_has(data))
        root.object = data;
    ls_object object = ls_thread_object(ident);
    ls_object name = object == 0 ? 0 : ls_attribute_value(object, ls_type_of(object), "_name");
    root.name_bytes = name == 0 ? 0 : (uint32_t)ls_text_of(name, text, NAME_ROOM);
    root.offset = native_id(thread, object);
    send_root(&root);
    ls_object context = LS_POINTER((uintptr_t)thread, at->thread_context);
    if (ls_plausible(context) && ls_visited_has(context)) {
        root = (struct root){.kind = LS_ROOT_CONTEXT, .object = context, .thread = ident};
        send_root(&root);
    }
    uintptr_t frame = ls_frame_of_thread(thread);
    for (int depth = 0; frame != 0 && depth < DEEPEST; depth++) {
        struct ls_call call;
        if (ls_call_of_frame(frame, &call)) {
            ls_send_call(LS_ROOT_CALL, call.code, ident, &call);
            send_locals(ident, &call);
        }
        frame = ls_frame_before(frame);
    }
}

static void visit_calls(uintptr_t frame, ls_visit visit, void *context) {
    enum { VERSION_3_11_0 = 0x030b0000 };
    if (ls_python.version == VERSION_3_11_0)
        return; /* a call that returns gives up its variables while it is still among the calls */
    for (int depth = 0; frame != 0 && depth < DEEPEST_OF_ALL; depth++) {
        ls_object code = ls_code_of_running(frame);
        struct ls_call call = {.count = 0};
        ls_visit_plausible(code, visit, context);
        if (code != 0 && ls_call_of_frame(frame, &call))
            for (uint32_t i = 0; i < call.count; i++)
                ls_visit_plausible(ls_call_local(&call, i), visit, context);
        frame = ls_frame_before(frame);
    }
}

void ls_running(const struct ls_freeze *freeze, ls_visit visit, void *context) {
    const struct ls_offsets *at = &ls_python.at;
    void *thread = freeze->first_thread;
    for (int i = 0; thread != NULL && i < MOST_THREADS; i++) {
        ls_visit_plausible(LS_POINTER((uintptr_t)thread, at->thread_dict), visit, context);
        ls_visit_plausible(LS_POINTER((uintptr_t)thread, at->thread_context), visit, context);
        visit_calls(ls_frame_of_thread(thread), visit, context);
        thread = ls_python.next_thread(thread);
    }
}

void ls_send_end(void) {
    struct root root = {.kind = LS_ROOT_END};
    send_root(&root);
}

void ls_roots(const struct ls_freeze *freeze) {
    send_modules(freeze->modules);
    void *thread = freeze->first_thread;
    for (int i = 0; thread != NULL && i < MOST_THREADS; i++) {
        send_thread(thread);
        thread = ls_python.next_thread(thread);
    }
}
