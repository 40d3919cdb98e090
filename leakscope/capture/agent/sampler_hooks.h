/* What the hooks and their installation share. */
#ifndef LEAKSCOPE_SAMPLER_HOOKS_H
#define LEAKSCOPE_SAMPLER_HOOKS_H

#include "sampler.h"

struct ls_allocator { /* PyMemAllocatorEx */
    void *context;
    void *(*malloc)(void *context, size_t size);
    void *(*calloc)(void *context, size_t count, size_t size);
    void *(*realloc)(void *context, void *block, size_t size);
    void (*free)(void *context, void *block);
};

/* What the hook of each domain stands before. */
extern struct ls_allocator ls_originals[LS_DOMAINS];
/* Threads that are inside a hook of raw memory. */
extern int64_t ls_in_raw;

/* Whether an allocator is our hook of a domain. */
bool ls_is_hook(int domain, const struct ls_allocator *found);
/* The hook to put before the original of a domain. */
struct ls_allocator ls_hook_for(int domain);
/* With the raw hook in and the other originals known: find out how blocks are freed. GIL held. */
void ls_hooks_probe(void);

#endif
