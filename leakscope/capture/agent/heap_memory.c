/* Memory of the frozen child: pages straight from the kernel, the set of objects seen, the work
 * list. Child only: one thread, no locks, nothing is ever given back but whole chunks of work.
 *
 * The set is a bitmap of the address space, one bit per 8 bytes, in leaves of 2 MiB of addresses
 * under a two-level directory. It costs 1/64 of the heap it covers, needs no rehashing, gives
 * objects back in ascending order and numbers them by counting bits. */
#define _GNU_SOURCE
#include "heap.h"

#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

static uint64_t used, limit = UINT64_MAX;

void ls_memory_limit(uint64_t bytes) { limit = bytes; }

uint64_t ls_memory_used(void) { return used; }

void *ls_map(size_t bytes) {
    if (bytes > limit || used > limit - bytes)
        ls_child_fail(LS_FAIL_MEMORY);
    void *pages = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (pages == MAP_FAILED)
        ls_child_fail(LS_FAIL_MEMORY);
    used += bytes;
    return pages;
}

/* ---- Memory of the target that may not be there */

enum { PAGE_SHIFT = 12, PAGES_REMEMBERED = 256 };

static uintptr_t readable_pages[PAGES_REMEMBERED]; /* the frozen copy gives none back */

static int is_page_readable(uintptr_t page) {
    uintptr_t *remembered = &readable_pages[page % PAGES_REMEMBERED];
    char byte;
    struct iovec to = {&byte, 1}, from = {(void *)(page << PAGE_SHIFT), 1};
    if (*remembered != page && process_vm_readv(getpid(), &to, 1, &from, 1, 0) != 1)
        return 0;
    *remembered = page;
    return 1;
}

int ls_readable(uintptr_t address, size_t bytes) {
    if (!ls_plausible(address))
        return 0;
    uintptr_t last = (address + bytes - 1) >> PAGE_SHIFT;
    for (uintptr_t page = address >> PAGE_SHIFT; page <= last; page++)
        if (!is_page_readable(page))
            return 0;
    return 1;
}

/* ---- The visited set */

enum { DIRECTORY_BITS = 13, LEAVES_AT_ONCE = 32 };
#define DIRECTORY_SIZE (1u << DIRECTORY_BITS)

static struct ls_leaf **directory[DIRECTORY_SIZE];
static struct ls_leaf *fresh_leaves;
static uint32_t fresh_left;
static struct ls_leaf *last_leaf; /* most objects lie near the one before */

static struct ls_leaf *make_leaf(uintptr_t region) {
    uint32_t high = (uint32_t)(region >> DIRECTORY_BITS);
    if (directory[high] == NULL)
        directory[high] = ls_map(DIRECTORY_SIZE * sizeof(struct ls_leaf *));
    if (fresh_left == 0) {
        fresh_leaves = ls_map(LEAVES_AT_ONCE * sizeof(struct ls_leaf));
        fresh_left = LEAVES_AT_ONCE;
    }
    struct ls_leaf *leaf = fresh_leaves++;
    fresh_left--;
    leaf->region = region;
    directory[high][region & (DIRECTORY_SIZE - 1)] = leaf;
    return leaf;
}

static inline struct ls_leaf *find_leaf(uintptr_t address) {
    uintptr_t region = address >> LS_REGION_SHIFT;
    if (last_leaf != NULL && last_leaf->region == region)
        return last_leaf;
    struct ls_leaf **low = directory[region >> DIRECTORY_BITS];
    struct ls_leaf *leaf = low == NULL ? NULL : low[region & (DIRECTORY_SIZE - 1)];
    if (leaf == NULL)
        leaf = make_leaf(region);
    last_leaf = leaf;
    return leaf;
}

static inline uint32_t bit_of(uintptr_t address) {
    return (uint32_t)(address & ((1u << LS_REGION_SHIFT) - 1)) >> 3;
}

int ls_visited_add(uintptr_t address) {
    struct ls_leaf *leaf = find_leaf(address);
    uint32_t bit = bit_of(address);
    uint64_t mask = (uint64_t)1 << (bit & 63);
    if (leaf->bits[bit >> 6] & mask)
        return 0;
    leaf->bits[bit >> 6] |= mask;
    return 1;
}

int ls_visited_has(uintptr_t address) {
    uintptr_t region = address >> LS_REGION_SHIFT;
    struct ls_leaf **low = directory[region >> DIRECTORY_BITS];
    const struct ls_leaf *leaf = low == NULL ? NULL : low[region & (DIRECTORY_SIZE - 1)];
    uint32_t bit = bit_of(address);
    return leaf != NULL && (leaf->bits[bit >> 6] >> (bit & 63) & 1);
}

int ls_is_object(uintptr_t address) { return ls_plausible(address) && ls_visited_has(address); }

/* __builtin_popcountll would need libgcc, which the agent does not link. */
static inline uint32_t count_bits(uint64_t word) {
    word -= word >> 1 & 0x5555555555555555u;
    word = (word & 0x3333333333333333u) + (word >> 2 & 0x3333333333333333u);
    word = (word + (word >> 4)) & 0x0f0f0f0f0f0f0f0fu;
    return (uint32_t)(word * 0x0101010101010101u >> 56);
}

struct ls_leaf *ls_visited_next(uint64_t *cursor) {
    uint64_t regions = (uint64_t)DIRECTORY_SIZE << DIRECTORY_BITS;
    while (*cursor < regions) {
        struct ls_leaf **low = directory[*cursor >> DIRECTORY_BITS];
        if (low == NULL) {
            *cursor = ((*cursor >> DIRECTORY_BITS) + 1) << DIRECTORY_BITS;
            continue;
        }
        struct ls_leaf *leaf = low[*cursor & (DIRECTORY_SIZE - 1)];
        ++*cursor;
        if (leaf != NULL)
            return leaf;
    }
    return NULL;
}

uint64_t ls_visited_number(void) {
    uint64_t cursor = 0, total = 0;
    for (struct ls_leaf *leaf; (leaf = ls_visited_next(&cursor)) != NULL;)
        for (uint32_t block = 0; block < LS_LEAF_BLOCKS; block++) {
            leaf->rank[block] = (uint32_t)total;
            for (uint32_t word = 0; word < 8; word++)
                total += count_bits(leaf->bits[block * 8 + word]);
        }
    return total;
}

uint32_t ls_visited_rank(uintptr_t address) {
    const struct ls_leaf *leaf = find_leaf(address);
    uint32_t bit = bit_of(address), word = bit >> 6;
    if (!(leaf->bits[word] >> (bit & 63) & 1))
        ls_child_fail(LS_FAIL_UNSTABLE);
    uint32_t rank = leaf->rank[word >> 3];
    for (uint32_t i = word & ~7u; i < word; i++)
        rank += count_bits(leaf->bits[i]);
    return rank + count_bits(leaf->bits[word] & (((uint64_t)1 << (bit & 63)) - 1));
}

/* ---- The work list */

enum { CHUNK_OBJECTS = 65534 };

struct chunk {
    struct chunk *below;
    uint64_t count;
    ls_object objects[CHUNK_OBJECTS];
};

static struct chunk *top, *spare;

void ls_pending_push(ls_object object) {
    if (top == NULL || top->count == CHUNK_OBJECTS) {
        struct chunk *chunk = spare;
        if (chunk != NULL)
            spare = chunk->below;
        else
            chunk = ls_map(sizeof *chunk);
        chunk->below = top;
        chunk->count = 0;
        top = chunk;
    }
    top->objects[top->count++] = object;
}

int ls_pending_pop(ls_object *object) {
    while (top != NULL && top->count == 0) {
        struct chunk *empty = top;
        top = empty->below;
        empty->below = spare;
        spare = empty;
    }
    if (top == NULL)
        return 0;
    *object = top->objects[--top->count];
    return 1;
}
