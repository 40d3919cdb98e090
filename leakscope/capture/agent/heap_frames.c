/* Calls: what running and suspended functions have in their local variables.
 *
 * Child only, but for what a thread asks of its own frames when one of its allocations is sampled:
 * the code that runs, where it is, the frame before.
 *
 * From 3.11 on a call lives in an interpreter frame, before that in a frame object; `struct
 * ls_call` is what both have in common. Every pointer is checked before it is followed. */
#include "heap_names.h"

enum { OWNED_BY_INTERPRETER = 3, CODE_UNIT = 2 };

static int is_code(uintptr_t candidate) {
    return ls_plausible(candidate) && ls_visited_has(candidate) &&
           LS_POINTER(candidate, LS_OB_TYPE) == ls_python.code_type;
}

/* What stands where the code of a frame stands; 0 if that is not the kind of frame that has one. */
static ls_object code_in(uintptr_t frame) {
    const struct ls_offsets *at = &ls_python.at;
    if (!ls_plausible(frame) ||
        (at->frame_owner != 0 && LS_FIELD(uint8_t, frame, at->frame_owner) == OWNED_BY_INTERPRETER))
        return 0;
    return LS_POINTER(frame, at->frame_code) & ~(uintptr_t)7;
}

ls_object ls_code_of_running(uintptr_t frame) {
    ls_object code = code_in(frame);
    return ls_plausible(code) && LS_POINTER(code, LS_OB_TYPE) == ls_python.code_type ? code : 0;
}

int32_t ls_instruction_of(uintptr_t frame, ls_object code) {
    const struct ls_offsets *at = &ls_python.at;
    if (at->minor >= 11)
        return (int32_t)(LS_POINTER(frame, at->frame_instruction) - (code + at->code_start));
    int32_t last = LS_FIELD(int32_t, frame, at->frame_instruction);
    return at->minor == 10 ? last * CODE_UNIT : last;
}

static uint32_t tuple_length(ls_object tuple) {
    return tuple == 0 ? 0 : (uint32_t)LS_FIELD(uint64_t, tuple, LS_OB_SIZE);
}

static uint32_t local_count(ls_object code) {
    const struct ls_offsets *at = &ls_python.at;
    if (at->minor >= 11)
        return LS_FIELD(uint32_t, code, at->code_nlocalsplus);
    return LS_FIELD(uint32_t, code, at->code_nlocals) +
           tuple_length(LS_POINTER(code, at->code_cellvars)) +
           tuple_length(LS_POINTER(code, at->code_freevars));
}

int ls_call_of_frame(uintptr_t frame, struct ls_call *call) {
    const struct ls_offsets *at = &ls_python.at;
    ls_object code = code_in(frame);
    if (!is_code(code))
        return 0;
    call->code = code;
    call->locals = frame + at->frame_locals;
    call->count = local_count(code);
    call->offset = ls_instruction_of(frame, code);
    return 1;
}

int ls_call_of(ls_object object, const struct ls_type *type, struct ls_call *call) {
    const struct ls_offsets *at = &ls_python.at;
    uintptr_t frame = object;
    if (type->kind == LS_KIND_GENERATOR)
        frame = at->minor <= 10 ? LS_POINTER(object, at->gen_frame) : object + at->gen_frame;
    else if (type->kind != LS_KIND_FRAME)
        return 0;
    else if (at->minor >= 11)
        frame = LS_POINTER(object, at->frameobject_frame);
    return ls_call_of_frame(frame, call);
}

uintptr_t ls_frame_before(uintptr_t frame) { return LS_POINTER(frame, ls_python.at.frame_back); }

uintptr_t ls_frame_of_thread(void *thread) {
    const struct ls_offsets *at = &ls_python.at;
    uintptr_t frame = LS_POINTER((uintptr_t)thread, at->thread_frame);
    if (frame != 0 && (at->minor == 11 || at->minor == 12))
        frame = LS_POINTER(frame, at->cframe_frame);
    return frame;
}

ls_object ls_call_local(const struct ls_call *call, uint32_t index) {
    uintptr_t value = LS_POINTER(call->locals, (uintptr_t)index * sizeof value);
    if (ls_python.at.minor < 14)
        return value;
    return (value & 3) == 3 ? 0 : value & ~(uintptr_t)3; /* 3.14+: the low bits are a tag */
}

static ls_object tuple_item(ls_object tuple, uint32_t index) {
    return LS_POINTER(tuple, ls_python.at.tuple_items + (uintptr_t)index * sizeof(uintptr_t));
}

size_t ls_local_name(ls_object code, uint32_t index, char *text, size_t room) {
    const struct ls_offsets *at = &ls_python.at;
    const uint16_t fields[] = {at->code_localsplusnames, at->code_varnames, at->code_cellvars,
                               at->code_freevars};
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++) {
        ls_object names = fields[i] == 0 ? 0 : LS_POINTER(code, fields[i]);
        uint32_t count = tuple_length(names);
        if (index < count)
            return ls_text_of(tuple_item(names, index), text, room);
        index -= count;
    }
    return 0;
}

size_t ls_free_variable_name(ls_object code, uint32_t index, char *text, size_t room) {
    enum { FREE_VARIABLE = 0x80 };
    const struct ls_offsets *at = &ls_python.at;
    if (at->minor <= 10) {
        ls_object names = LS_POINTER(code, at->code_freevars);
        return index < tuple_length(names) ? ls_text_of(tuple_item(names, index), text, room) : 0;
    }
    ls_object kinds = LS_POINTER(code, at->code_localspluskinds);
    uint32_t count = LS_FIELD(uint32_t, code, at->code_nlocalsplus);
    for (uint32_t i = 0; i < count && i < tuple_length(kinds); i++)
        if ((LS_FIELD(uint8_t, kinds, LS_BYTES_START + i) & FREE_VARIABLE) && index-- == 0)
            return ls_local_name(code, i, text, room);
    return 0;
}

size_t ls_function_name(ls_object code, char *text, size_t room) {
    const struct ls_offsets *at = &ls_python.at;
    uint16_t field = at->code_qualname != 0 ? at->code_qualname : at->code_name;
    return ls_text_of(LS_POINTER(code, field), text, room);
}
