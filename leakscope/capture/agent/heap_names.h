/* Names in the frozen heap: roots, calls, attributes. Child only, after the walk. */
#ifndef LEAKSCOPE_HEAP_NAMES_H
#define LEAKSCOPE_HEAP_NAMES_H

#include "heap.h"

/* ---- heap_frames.c: running and suspended functions */

struct ls_call {
    ls_object code;
    uintptr_t locals; /* address of the first local variable */
    uint32_t count;
    int32_t offset; /* of the instruction that runs or ran last, in bytes from the code's start */
};

/* The call of a frame object, generator, coroutine; of an interpreter frame. 0 if there is none. */
int ls_call_of(ls_object object, const struct ls_type *type, struct ls_call *call);
int ls_call_of_frame(uintptr_t frame, struct ls_call *call);
/* The code that runs in a frame, be it known to the walk or not; 0 if none does. */
ls_object ls_code_of_running(uintptr_t frame);
/* Where `code`, which runs in a frame, is, in bytes from its start. */
int32_t ls_instruction_of(uintptr_t frame, ls_object code);
uintptr_t ls_frame_of_thread(void *thread);
uintptr_t ls_frame_before(uintptr_t frame);
/* A local variable, or the cell that it is in; 0 if it is not set. */
ls_object ls_call_local(const struct ls_call *call, uint32_t index);
size_t ls_local_name(ls_object code, uint32_t index, char *text, size_t room);
size_t ls_free_variable_name(ls_object code, uint32_t index, char *text, size_t room);
size_t ls_function_name(ls_object code, char *text, size_t room);

/* ---- heap_attribute.c */

/* The dict of an instance, module or class; 0 if it has none. */
ls_object ls_attribute_dict(ls_object object, const struct ls_type *type);
/* The name of the slot, field or value beside the instance that is `value`; 0 if none is. */
size_t ls_attribute_name(ls_object object, const struct ls_type *type, ls_object value, char *text,
                         size_t room);
ls_object ls_attribute_value(ls_object object, const struct ls_type *type, const char *name);
ls_object ls_dict_key_of(ls_object dict, ls_object value);
ls_object ls_dict_value_of(ls_object dict, const char *name);
/* The value of a small non-negative int; UINT64_MAX if it is none. */
uint64_t ls_number_of(ls_object object);
/* What `threading` has of the thread of this ident; 0 if it does not know it. */
ls_object ls_thread_object(uint64_t ident);

/* ---- heap_made.c */

/* Answer LS_ASK_NUMBERS and LS_ASK_MAKERS. */
void ls_numbers_answer(const uint64_t *addresses, uint32_t count);
void ls_makers_answer(const uint64_t *addresses, uint32_t count);

/* ---- heap_roots.c, heap_name.c */

enum ls_root_kind {
    LS_ROOT_MODULE = 1,
    LS_ROOT_THREAD,
    LS_ROOT_CALL,
    LS_ROOT_LOCAL,
    LS_ROOT_END,
    LS_ROOT_CONTEXT,
};

/* Visit what the threads hold and the collector may not know: their code, a byte string in a local
 * variable. What is visited is not told as a reference of anybody. */
void ls_running(const struct ls_freeze *freeze, ls_visit visit, void *context);
void ls_roots(const struct ls_freeze *freeze);
void ls_send_call(uint32_t kind, uint64_t object, uint64_t thread, const struct ls_call *call);
/* The same of a call of which there are only texts. */
void ls_send_place(ls_object name, ls_object file, int32_t line);
void ls_send_end(void);

enum ls_question {
    LS_ASK_CHAIN = 1,
    LS_ASK_CALLS,
    LS_ASK_LABELS,
    LS_ASK_MALLOC,
    LS_ASK_DESCRIPTORS,
    LS_ASK_COLLECTOR,
    LS_ASK_NUMBERS,
    LS_ASK_MAKERS,
};

/* ---- heap_malloc.c */

/* Answer LS_ASK_MALLOC: bytes had from the system in arenas, in regions of their own; in use in
 * arenas, free in them. Count 0 if that is not known. May never return. */
void ls_malloc_answer(void);

/* ---- heap_descriptors.c */

/* Answer LS_ASK_DESCRIPTORS: the address of every object that has an open descriptor of its own,
 * ascending, each with that descriptor. */
void ls_descriptors_answer(void);

/* Answers questions until the controller hangs up. */
void ls_names_serve(void);

#endif
