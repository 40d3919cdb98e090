/* Putting the hooks into the interpreter's allocators, finding them again, taking them out.
 *
 * Agent's thread, GIL held. Others hook too. A hook that came later has ours as its own original,
 * in a structure that its context points to (tracemalloc, the interpreter's debug hooks, the
 * example in Python's manual): there it is taken out. Where that cannot be seen through, it is left
 * and passes everything on. */
#define _GNU_SOURCE
#include "sampler_hooks.h"

#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

enum { DEEPEST_CHAIN = 8 };

static bool left_behind[LS_DOMAINS]; /* a hook of ours is, or may be, still called */
static void (*get_allocator)(int domain, struct ls_allocator *allocator);
static void (*set_allocator)(int domain, struct ls_allocator *allocator);

/* ---- where they are */

static bool is_of_interpreter(const struct ls_allocator *found) {
    uintptr_t function = (uintptr_t)found->malloc;
    return function >= ls_python.image_start && function < ls_python.image_end;
}

/* Read what may not be there. */
static bool look(uintptr_t address, struct ls_allocator *found) {
    struct iovec to = {found, sizeof *found}, from = {(void *)address, sizeof *found};
    return address % sizeof(void *) == 0 &&
           process_vm_readv(getpid(), &to, 1, &from, 1, 0) == (ssize_t)sizeof *found;
}

/* Find our hook among what the hook at `above` calls; `*where` is the structure that it is in. */
static enum ls_hook_place look_below(int domain, struct ls_allocator above, uintptr_t *where) {
    const uintptr_t offsets[] = {0, sizeof(void *)}; /* the debug hooks have a letter first */
    for (int depth = 0; depth < DEEPEST_CHAIN; depth++) {
        struct ls_allocator found, next;
        bool more = false;
        for (size_t i = 0; above.context != NULL && i < sizeof offsets / sizeof *offsets; i++) {
            uintptr_t address = (uintptr_t)above.context + offsets[i];
            if (!look(address, &found))
                continue;
            if (ls_is_hook(domain, &found)) {
                *where = address;
                return LS_HOOK_BELOW;
            }
            if (!more && is_of_interpreter(&found)) {
                next = found;
                more = true;
            }
        }
        if (!more)
            return above.context == NULL && is_of_interpreter(&above) ? LS_HOOK_ABSENT
                                                                      : LS_HOOK_UNKNOWN;
        above = next;
    }
    return LS_HOOK_UNKNOWN;
}

static enum ls_hook_place locate(int domain, uintptr_t *where) {
    struct ls_allocator top;
    get_allocator(domain, &top);
    return ls_is_hook(domain, &top) ? LS_HOOK_TOP : look_below(domain, top, where);
}

void ls_hooks_locate(uint8_t places[LS_DOMAINS]) {
    uintptr_t where;
    for (int domain = 0; domain < LS_DOMAINS; domain++)
        places[domain] = left_behind[domain] ? (uint8_t)locate(domain, &where) : LS_HOOK_ABSENT;
}

/* ---- in and out */

static bool bind(void) {
    *(void **)&get_allocator = ls_symbol("PyMem_GetAllocator");
    *(void **)&set_allocator = ls_symbol("PyMem_SetAllocator");
    return get_allocator != NULL && set_allocator != NULL && ls_python.current_thread != NULL;
}

/* Whether what the interpreter calls is what our hook stood before the last time. */
static bool is_as_before(int domain) {
    struct ls_allocator found;
    get_allocator(domain, &found);
    return memcmp(&found, &ls_originals[domain], sizeof found) == 0;
}

bool ls_hooks_must_wait(void) {
    return bind() && ls_originals[LS_RAW].malloc != NULL && !left_behind[LS_RAW] &&
           !is_as_before(LS_RAW);
}

bool ls_hooks_install(void) {
    enum ls_hook_place places[LS_DOMAINS];
    uintptr_t where;
    if (!bind())
        return false;
    for (int domain = 0; domain < LS_DOMAINS; domain++) {
        places[domain] = left_behind[domain] ? locate(domain, &where) : LS_HOOK_ABSENT;
        if (places[domain] == LS_HOOK_UNKNOWN)
            return false; /* twice in one chain it would call itself for ever */
    }
    for (int domain = 0; domain < LS_DOMAINS; domain++)
        if (places[domain] == LS_HOOK_ABSENT && !is_as_before(domain))
            get_allocator(domain, &ls_originals[domain]);
    bool are_new = places[LS_MEM] == LS_HOOK_ABSENT && places[LS_OBJ] == LS_HOOK_ABSENT;
    for (int domain = 0; domain < LS_DOMAINS; domain++) { /* raw memory first */
        if (places[domain] != LS_HOOK_ABSENT)
            continue;
        if (domain == LS_MEM && are_new)
            ls_hooks_probe();
        struct ls_allocator hook = ls_hook_for(domain);
        left_behind[domain] = true;
        set_allocator(domain, &hook);
    }
    return true;
}

/* Whether our hook can be overwritten where it is: nothing changes by what is written here. */
static bool is_writable(uintptr_t where) {
    struct ls_allocator found;
    struct iovec from = {&found, sizeof found}, to = {(void *)where, sizeof found};
    return look(where, &found) &&
           process_vm_writev(getpid(), &from, 1, &to, 1, 0) == (ssize_t)sizeof found;
}

static void put_back(struct ls_allocator *where, const struct ls_allocator *original) {
    __atomic_store_n(&where->malloc, original->malloc, __ATOMIC_SEQ_CST);
    __atomic_store_n(&where->calloc, original->calloc, __ATOMIC_SEQ_CST);
    __atomic_store_n(&where->realloc, original->realloc, __ATOMIC_SEQ_CST);
    __atomic_store_n(&where->free, original->free, __ATOMIC_SEQ_CST);
}

void ls_hooks_remove(void) {
    for (int domain = 0; domain < LS_DOMAINS; domain++) {
        uintptr_t where = 0;
        if (!left_behind[domain])
            continue;
        enum ls_hook_place place = locate(domain, &where);
        if (place == LS_HOOK_TOP)
            set_allocator(domain, &ls_originals[domain]);
        else if (place == LS_HOOK_BELOW && is_writable(where))
            put_back((struct ls_allocator *)where, &ls_originals[domain]);
        left_behind[domain] = place == LS_HOOK_UNKNOWN || locate(domain, &where) != LS_HOOK_ABSENT;
    }
}

bool ls_hooks_are_gone(void) {
    for (int domain = 0; domain < LS_DOMAINS; domain++)
        if (left_behind[domain])
            return false;
    return get_allocator == NULL || ls_threads_are_clear(&ls_in_raw);
}
