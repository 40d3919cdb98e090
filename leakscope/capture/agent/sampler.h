/* Sampling allocations: what the sampler_*.c files share.
 *
 * Hooks in the interpreter's allocators count down bytes; where the count runs out lies a sample,
 * so that every byte is as likely as any other to be one (a Poisson process, as in Go's heap
 * profile). A sample has its block's address and size and the Python stack that asked for it, and
 * is dropped when the block is freed or moved.
 *
 * Two worlds. Hooks run on the target's threads: with the GIL for objects and memory, without it
 * for raw memory. They may not allocate, and take no lock but `ls_sampler_lock`, under which
 * nothing waits. Everything else runs on the agent's thread. */
#ifndef LEAKSCOPE_SAMPLER_H
#define LEAKSCOPE_SAMPLER_H

#include "heap.h"

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { LS_RAW, LS_MEM, LS_OBJ, LS_DOMAINS }; /* as CPython's PyMemAllocatorDomain */

enum {
    LS_DEEPEST = 64,             /* frames of a stack that are kept, the innermost */
    LS_MOST_SAMPLES = 96 * 1024, /* alive at a time; at the default rate that is 48 GiB */
    LS_MOST_FUNCTIONS = 16 * 1024,
    LS_MOST_STACKS = 64 * 1024,
    LS_MOST_TEXT = 8 << 20,
    LS_MOST_FRAMES = 1 << 20,
    LS_LONGEST_NAME = 512,
    LS_LONGEST_TABLE = 64 << 10,
    /* Blocks from this size on are sampled so many times more rarely: a buffer to receive into,
     * say, which every request has for a moment. The controller weighs them by the same. */
    LS_LARGE = 32 << 10,
    LS_LARGE_RARER = 8,
};

/* ---- sampler_chance.c: no state */

/* A draw from the exponential distribution with this mean; `state` is not 0. */
double ls_exponential(uint64_t *state, double mean);
/* The probability that a block of so many bytes is sampled: 1 - exp(-size / mean). */
double ls_sampled_share(double size, double mean);

/* ---- sampler_stacks.c: under the lock, but for ls_stack_read */

struct ls_place {
    ls_object code;
    int32_t offset; /* as in struct ls_call */
};

struct ls_stack {
    struct ls_place places[LS_DEEPEST]; /* innermost first */
    uint32_t depth;
    uint32_t cut; /* there are more */
};

/* Read the stack of the calling thread; `holds_gil`: whether it holds the GIL. */
void ls_stack_read(struct ls_stack *stack, bool holds_gil);

/* Number of the stack; 0 is the one of which nothing is known, and what did not fit. */
uint32_t ls_stack_intern(const struct ls_stack *stack);
/* Count an allocation that was sampled for its stack. */
void ls_stack_count(uint32_t stack, double size, double mean);

bool ls_stacks_open(void);
void ls_stacks_close(void);
/* How many bytes ls_stacks_write writes. */
size_t ls_stacks_size(void);
char *ls_stacks_write(char *to);
uint32_t ls_function_count(void);
uint32_t ls_stack_count_all(void);

/* ---- sampler_samples.c */

struct ls_sample {
    uint64_t address; /* 0: free slot */
    uint64_t size;
    uint32_t stack;
    uint32_t domain;
};

extern pthread_mutex_t ls_sampler_lock;
extern uint8_t ls_sampler_pages[1 << 13], ls_sampler_blocks[1 << 16];
/* Bytes until the next sample: of objects and memory (GIL), of raw memory, of large blocks. */
extern int64_t ls_sampler_left, ls_sampler_left_raw, ls_sampler_left_large;

/* Where the filters count the samples of a block's page, and of blocks like it. */
static inline uint32_t ls_page_slot(uintptr_t block) {
    return (uint32_t)(block >> 12) * 0x9E3779B1u >> 19;
}
static inline uint32_t ls_block_slot(uintptr_t block) {
    return (uint32_t)(block >> 4) * 0x9E3779B1u >> 16;
}

/* Whether a block may be a sample: no is certain. Any thread. Blocks that are freed one after the
 * other tend to share their page, so most frees look at the same few bytes. */
static inline bool ls_may_be_sampled(const void *block) {
    const uint8_t *page = &ls_sampler_pages[ls_page_slot((uintptr_t)block)];
    const uint8_t *alike = &ls_sampler_blocks[ls_block_slot((uintptr_t)block)];
    return __builtin_expect(__atomic_load_n(page, __ATOMIC_RELAXED) != 0, 0) &&
           __atomic_load_n(alike, __ATOMIC_RELAXED) != 0;
}

/* The count ran out in this allocation. Any thread; takes the lock. */
void ls_take_sample(void *block, size_t size, int domain);
/* Drop the sample of a block, if it is one, into `*dropped` (address 0: it was none). */
void ls_drop_sample(const void *block, struct ls_sample *dropped);
/* Put a sample back that was dropped too early. */
void ls_restore_sample(const struct ls_sample *dropped);

struct ls_sampler_totals {
    uint64_t mean_bytes;
    uint64_t taken;    /* samples, since the start */
    uint64_t dropped;  /* of these: freed or moved */
    uint64_t lost;     /* not kept, for want of room */
    uint64_t unplaced; /* kept without their stack, for want of room */
};

/* Agent's thread, which is itself never sampled. */
bool ls_samples_open(uint64_t mean_bytes, uint64_t seed);
void ls_samples_close(void);
/* The lock is held. */
uint32_t ls_samples_alive(void);
char *ls_samples_write(char *to);
const struct ls_sampler_totals *ls_samples_totals(void);
/* In a forked child: nothing is sampled there. */
void ls_samples_in_forked_child(void);

/* ---- sampler_hooks.c: agent's thread, GIL held */

/* Where our hook of a domain is. */
enum ls_hook_place {
    LS_HOOK_ABSENT,  /* not there */
    LS_HOOK_TOP,     /* what the interpreter calls */
    LS_HOOK_BELOW,   /* what another hook calls */
    LS_HOOK_UNKNOWN, /* it may be below a hook that cannot be looked through */
};

/* Whether threads that still are inside a hook that was taken out would not find there what they
 * came from: others have hooked since. Then wait, without the GIL, until they are out. */
bool ls_hooks_must_wait(void);
/* Hook all domains; false if functions of the interpreter are missing, or a hook of ours may still
 * be somewhere below others. */
bool ls_hooks_install(void);
/* Take our hooks out, from below other hooks too; tells of each domain where one is left: then
 * this object must stay. It passes everything on. */
void ls_hooks_remove(void);
void ls_hooks_locate(uint8_t places[LS_DOMAINS]);
/* Whether none of our hooks is left, and no thread is still inside one. Without the GIL. */
bool ls_hooks_are_gone(void);

/* ---- sampler_threads.c: agent's thread, without the GIL */

/* Wait, some seconds at most, until no thread can be inside of what was taken out a moment ago;
 * `*inside`: how many say that they are. */
bool ls_threads_are_clear(const int64_t *inside);

#endif
