/* The hooks in the interpreter's allocators, as the target's threads run them.
 *
 * The interpreter's own allocator asks for more than 512 bytes as raw memory, and gives such blocks
 * back as raw memory. So a small block that is to be a sample is asked for as a larger one: then a
 * hook in the freeing of raw memory sees it go, and the freeing of objects, which interpreters that
 * were built with profiles have inlined, stays as it was. Where it turns out that blocks do not
 * take that way (other allocators, debug hooks), all that is freed is looked at.
 *
 * A hook keeps the context of the allocator that it stands before, and finds that allocator in
 * `ls_originals`. So whoever reads an allocator while it is changed (raw memory is asked for
 * without the GIL) gets functions and a context that fit each other in any case. */
#define _GNU_SOURCE
#include "sampler_hooks.h"

enum { LARGEST_SMALL = 512, COUNTS_AS_LARGE = LARGEST_SMALL + 1 };

#define LIKELY(condition) __builtin_expect(!!(condition), 1)

struct ls_allocator ls_originals[LS_DOMAINS];
int64_t ls_in_raw;

static bool frees_are_raw; /* blocks that were large when asked for are freed as raw memory */
static uintptr_t in_large; /* the thread whose raw memory is counted already */
static bool probing;
static void *probed_in, *probed_out; /* what the raw hooks saw of the probe, while there is one */

/* ---- what all of them do */

static void *reallocated(int domain, void *context, void *block, size_t size) {
    struct ls_sample dropped = {0};
    if (ls_may_be_sampled(block))
        ls_drop_sample(block, &dropped); /* before it may be another thread's */
    void *moved = ls_originals[domain].realloc(context, block, size);
    if (moved == NULL)
        ls_restore_sample(&dropped);
    return moved;
}

static __attribute__((noinline)) void freed(int domain, void *context, void *block) {
    struct ls_sample dropped;
    if (ls_may_be_sampled(block))
        ls_drop_sample(block, &dropped);
    ls_originals[domain].free(context, block);
}

/* ---- objects and memory: the GIL is held */

/* Count bytes; false if a sample lies in them, or if they may be asked for as raw memory, whose
 * hook must not count them again. */
static inline bool is_quick(size_t size) {
    int64_t left = __atomic_load_n(&ls_sampler_left, __ATOMIC_RELAXED) - (int64_t)size;
    if (!LIKELY(left >= 0 && size <= LARGEST_SMALL))
        return false;
    __atomic_store_n(&ls_sampler_left, left, __ATOMIC_RELAXED);
    return true;
}

/* Count bytes; how many are left to the next sample. */
static inline int64_t count_down(int64_t *left, size_t size) {
    return __atomic_sub_fetch(left, (int64_t)size, __ATOMIC_RELAXED);
}

/* Begin the slow way. Returns how many bytes to ask for. */
static size_t enter_slow(size_t size) {
    int64_t left = __atomic_load_n(&ls_sampler_left, __ATOMIC_RELAXED);
    __atomic_store_n(&in_large, (uintptr_t)pthread_self(), __ATOMIC_RELAXED);
    bool is_sample = left - (int64_t)size < 0;
    return is_sample && frees_are_raw && size <= LARGEST_SMALL ? COUNTS_AS_LARGE : size;
}

static void *leave_slow(int domain, void *block, size_t size) {
    __atomic_store_n(&in_large, 0, __ATOMIC_RELAXED);
    if (block == NULL)
        return NULL;
    if (count_down(size >= LS_LARGE ? &ls_sampler_left_large : &ls_sampler_left, size) < 0)
        ls_take_sample(block, size, domain);
    return block;
}

static __attribute__((noinline)) void *slow_malloc(int domain, void *context, size_t size) {
    return leave_slow(domain, ls_originals[domain].malloc(context, enter_slow(size)), size);
}

static __attribute__((noinline)) void *slow_calloc(int domain, void *context, size_t count,
                                                   size_t size) {
    size_t bytes, larger;
    if (__builtin_mul_overflow(count, size, &bytes))
        return ls_originals[domain].calloc(context, count, size);
    larger = enter_slow(bytes);
    void *block = larger == bytes ? ls_originals[domain].calloc(context, count, size)
                                  : ls_originals[domain].calloc(context, 1, larger);
    return leave_slow(domain, block, bytes);
}

static __attribute__((noinline)) void *slow_realloc(int domain, void *context, void *block,
                                                    size_t size) {
    return leave_slow(domain, reallocated(domain, context, block, enter_slow(size)), size);
}

static inline void *hooked_malloc(int domain, void *context, size_t size) {
    return is_quick(size) ? ls_originals[domain].malloc(context, size)
                          : slow_malloc(domain, context, size);
}

static inline void *hooked_calloc(int domain, void *context, size_t count, size_t size) {
    return count <= LARGEST_SMALL && size <= LARGEST_SMALL && is_quick(count * size)
               ? ls_originals[domain].calloc(context, count, size)
               : slow_calloc(domain, context, count, size);
}

static inline void *hooked_realloc(int domain, void *context, void *block, size_t size) {
    return LIKELY(!ls_may_be_sampled(block)) && is_quick(size)
               ? ls_originals[domain].realloc(context, block, size)
               : slow_realloc(domain, context, block, size);
}

static inline void hooked_free(int domain, void *context, void *block) {
    if (LIKELY(!ls_may_be_sampled(block)))
        ls_originals[domain].free(context, block);
    else
        freed(domain, context, block);
}

static void *mem_malloc(void *context, size_t size) { return hooked_malloc(LS_MEM, context, size); }
static void *mem_calloc(void *context, size_t count, size_t size) {
    return hooked_calloc(LS_MEM, context, count, size);
}
static void *mem_realloc(void *context, void *block, size_t size) {
    return hooked_realloc(LS_MEM, context, block, size);
}
static void mem_free(void *context, void *block) { hooked_free(LS_MEM, context, block); }

static void *obj_malloc(void *context, size_t size) { return hooked_malloc(LS_OBJ, context, size); }
static void *obj_calloc(void *context, size_t count, size_t size) {
    return hooked_calloc(LS_OBJ, context, count, size);
}
static void *obj_realloc(void *context, void *block, size_t size) {
    return hooked_realloc(LS_OBJ, context, block, size);
}
static void obj_free(void *context, void *block) { hooked_free(LS_OBJ, context, block); }

/* ---- raw memory: any thread at any time
 *
 * The quick way ends with a jump to the original: nothing of ours is on the stack after it. Who
 * takes the slow way, and so comes back here, is counted. */

#ifdef __OPTIMIZE__
#define CALLS_AT_THE_END_ARE_JUMPS true
#else
#define CALLS_AT_THE_END_ARE_JUMPS false
#endif

static bool is_in_large(void) {
    uintptr_t counted = __atomic_load_n(&in_large, __ATOMIC_RELAXED);
    return counted != 0 && counted == (uintptr_t)pthread_self();
}

/* Count bytes, if that was not done before; false if a sample lies in them. */
static inline bool is_counted_raw(size_t size) {
    return is_in_large() ||
           count_down(size >= LS_LARGE ? &ls_sampler_left_large : &ls_sampler_left_raw, size) >= 0;
}

static inline bool is_probing(void) { return __atomic_load_n(&probing, __ATOMIC_RELAXED); }

static inline bool may_jump(void) { return CALLS_AT_THE_END_ARE_JUMPS && LIKELY(!is_probing()); }

static void enter_raw(void) { __atomic_add_fetch(&ls_in_raw, 1, __ATOMIC_SEQ_CST); }

static void *leave_raw(void *block, size_t size, bool is_counted) {
    if (!is_counted)
        ls_take_sample(block, size, LS_RAW);
    else if (is_probing() && is_in_large())
        probed_in = block;
    __atomic_sub_fetch(&ls_in_raw, 1, __ATOMIC_SEQ_CST);
    return block;
}

static __attribute__((noinline)) void *slow_raw_malloc(void *context, size_t size,
                                                       bool is_counted) {
    enter_raw();
    return leave_raw(ls_originals[LS_RAW].malloc(context, size), size, is_counted);
}

static __attribute__((noinline)) void *slow_raw_calloc(void *context, size_t count, size_t size,
                                                       bool is_counted) {
    enter_raw();
    return leave_raw(ls_originals[LS_RAW].calloc(context, count, size), count * size, is_counted);
}

static __attribute__((noinline)) void *slow_raw_realloc(void *context, void *block, size_t size,
                                                        bool is_counted) {
    enter_raw();
    return leave_raw(reallocated(LS_RAW, context, block, size), size, is_counted);
}

static __attribute__((noinline)) void slow_raw_free(void *context, void *block) {
    enter_raw();
    if (is_probing() && is_in_large())
        probed_out = block;
    freed(LS_RAW, context, block);
    __atomic_sub_fetch(&ls_in_raw, 1, __ATOMIC_SEQ_CST);
}

static void *raw_malloc(void *context, size_t size) {
    bool is_counted = is_counted_raw(size);
    return LIKELY(is_counted) && may_jump() ? ls_originals[LS_RAW].malloc(context, size)
                                            : slow_raw_malloc(context, size, is_counted);
}

static void *raw_calloc(void *context, size_t count, size_t size) {
    bool is_counted = is_counted_raw(count * size);
    return LIKELY(is_counted) && may_jump() ? ls_originals[LS_RAW].calloc(context, count, size)
                                            : slow_raw_calloc(context, count, size, is_counted);
}

static void *raw_realloc(void *context, void *block, size_t size) {
    bool is_counted = is_counted_raw(size);
    return LIKELY(is_counted && !ls_may_be_sampled(block)) && may_jump()
               ? ls_originals[LS_RAW].realloc(context, block, size)
               : slow_raw_realloc(context, block, size, is_counted);
}

static void raw_free(void *context, void *block) {
    if (LIKELY(!ls_may_be_sampled(block)) && may_jump())
        ls_originals[LS_RAW].free(context, block);
    else
        slow_raw_free(context, block);
}

/* ---- for the agent */

static const struct ls_allocator hooks[LS_DOMAINS] = {
    [LS_RAW] = {NULL, raw_malloc, raw_calloc, raw_realloc, raw_free},
    [LS_MEM] = {NULL, mem_malloc, mem_calloc, mem_realloc, mem_free},
    [LS_OBJ] = {NULL, obj_malloc, obj_calloc, obj_realloc, obj_free},
};

bool ls_is_hook(int domain, const struct ls_allocator *found) {
    const struct ls_allocator *ours = &hooks[domain];
    return found->malloc == ours->malloc && found->calloc == ours->calloc &&
           found->realloc == ours->realloc;
}

struct ls_allocator ls_hook_for(int domain) {
    struct ls_allocator hook = hooks[domain];
    hook.context = ls_originals[domain].context;
    if (domain != LS_RAW && frees_are_raw)
        hook.free = ls_originals[domain].free;
    return hook;
}

static bool goes_raw(int domain) {
    const struct ls_allocator *original = &ls_originals[domain];
    probed_in = probed_out = NULL;
    __atomic_store_n(&probing, true, __ATOMIC_RELAXED);
    __atomic_store_n(&in_large, (uintptr_t)pthread_self(), __ATOMIC_RELAXED);
    void *probe = original->malloc(original->context, COUNTS_AS_LARGE);
    original->free(original->context, probe);
    __atomic_store_n(&in_large, 0, __ATOMIC_RELAXED);
    __atomic_store_n(&probing, false, __ATOMIC_RELAXED);
    return probe != NULL && probed_in == probe && probed_out == probe;
}

void ls_hooks_probe(void) { frees_are_raw = goes_raw(LS_MEM) && goes_raw(LS_OBJ); }
