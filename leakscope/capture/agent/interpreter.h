/* Running source text in the target's interpreter, in a namespace that nobody else sees. */
#ifndef LEAKSCOPE_INTERPRETER_H
#define LEAKSCOPE_INTERPRETER_H

#include "wire.h"

#include <stdbool.h>
#include <stdint.h>

/* Find the interpreter of this process; false if there is none. Needs no lock. */
bool interpreter_find(void);

/* Its PY_VERSION_HEX, 0 if there is none. */
uint32_t interpreter_hexversion(void);

/* A stay in the interpreter. */
struct entry {
    int gil_state;
    uint64_t since;
};

/* Take the interpreter's lock, and tell `reply` how long that took; false, with the status in
 * `reply`, if the interpreter is not up. */
bool interpreter_enter(struct entry *entry, struct message *reply);

/* Give the lock back, and tell `reply` how long it was held. */
void interpreter_leave(const struct entry *entry, struct message *reply);

/* Run `source` and put the str or bytes that it left in `_reply`, or what it raised, into `reply`,
 * whose body is the caller's to free. Takes the interpreter's lock and gives it back. */
void interpreter_execute(const char *source, struct message *reply);

/* Drop the namespace and all in it. Takes the interpreter's lock in any case, so whoever held it
 * when this was called has gone on since. False if the interpreter is on its way down and could
 * not be entered. */
bool interpreter_forget(struct message *reply);

#endif
