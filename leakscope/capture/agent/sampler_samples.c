/* The samples that are alive: a table by address, and two filters before it.
 *
 * Any thread of the target, with the lock. The filters count samples by page and by block, so that
 * a free costs one byte's look-up unless the block may be a sample. */
#define _GNU_SOURCE
#include "sampler.h"

#include <string.h>
#include <sys/mman.h>

enum { SLOTS = 128 * 1024, FULL_FILTER = 255 };

#define NEVER (INT64_MAX / 2) /* bytes until a sample is taken, where none is wanted */

pthread_mutex_t ls_sampler_lock = PTHREAD_MUTEX_INITIALIZER;
uint8_t ls_sampler_pages[1 << 13], ls_sampler_blocks[1 << 16];
int64_t ls_sampler_left = NEVER, ls_sampler_left_raw = NEVER, ls_sampler_left_large = NEVER;

static struct ls_sample *table; /* open addressing, linear; NULL while nothing is sampled */
static uint32_t alive;
static uint64_t random_state;
static uintptr_t agent; /* its thread, which is not sampled */
static struct ls_sampler_totals totals;

static uint32_t slot_of(uint64_t address) {
    return (uint32_t)((address >> 4) * 0x9E3779B97F4A7C15u >> 47) & (SLOTS - 1);
}

/* A counter that was full once stays so: what it counted then is not known any more. */
static void step_counter(uint8_t *counter, int step) {
    uint8_t count = __atomic_load_n(counter, __ATOMIC_RELAXED);
    if (count != FULL_FILTER)
        __atomic_store_n(counter, (uint8_t)(count + step), __ATOMIC_RELAXED);
}

static void filter_add(uint64_t address, int step) {
    step_counter(&ls_sampler_pages[ls_page_slot(address)], step);
    step_counter(&ls_sampler_blocks[ls_block_slot(address)], step);
}

static void clear_filter(uint8_t *filter, size_t size) {
    for (size_t i = 0; i < size; i++)
        __atomic_store_n(&filter[i], 0, __ATOMIC_RELAXED);
}

/* Bytes per sample, on average, of blocks of a size. */
static double mean_of(size_t size) {
    return (double)totals.mean_bytes * (size >= LS_LARGE ? LS_LARGE_RARER : 1);
}

static int64_t draw(double mean) {
    double bytes = ls_exponential(&random_state, mean);
    return bytes < (double)NEVER ? (int64_t)bytes : NEVER;
}

static int64_t *left_of(int domain, size_t size) {
    if (size >= LS_LARGE)
        return &ls_sampler_left_large;
    return domain == LS_RAW ? &ls_sampler_left_raw : &ls_sampler_left;
}

/* Nothing is to be sampled from now on. */
static void stop_counting(void) {
    __atomic_store_n(&ls_sampler_left, NEVER, __ATOMIC_RELAXED);
    __atomic_store_n(&ls_sampler_left_raw, NEVER, __ATOMIC_RELAXED);
    __atomic_store_n(&ls_sampler_left_large, NEVER, __ATOMIC_RELAXED);
}

static struct ls_sample *find(uint64_t address) {
    uint32_t slot = slot_of(address);
    while (table[slot].address != 0 && table[slot].address != address)
        slot = (slot + 1) & (SLOTS - 1);
    return &table[slot];
}

static void insert(const struct ls_sample *sample) {
    struct ls_sample *slot = find(sample->address);
    if (slot->address == 0) {
        if (alive >= LS_MOST_SAMPLES) {
            totals.lost++;
            return;
        }
        alive++;
        filter_add(sample->address, 1);
    }
    *slot = *sample;
}

/* Empty a slot and close the gap, so that what comes behind it is still found (Knuth 6.4 R). */
static void erase(struct ls_sample *sample) {
    uint32_t gap = (uint32_t)(sample - table);
    filter_add(sample->address, -1);
    alive--;
    for (uint32_t at = gap;;) {
        at = (at + 1) & (SLOTS - 1);
        if (table[at].address == 0)
            break;
        uint32_t home = slot_of(table[at].address);
        if (((at - home) & (SLOTS - 1)) >= ((at - gap) & (SLOTS - 1))) {
            table[gap] = table[at];
            gap = at;
        }
    }
    table[gap].address = 0;
}

/* ---- from the hooks */

void ls_take_sample(void *block, size_t size, int domain) {
    struct ls_stack stack;
    bool of_agent = __atomic_load_n(&agent, __ATOMIC_RELAXED) == (uintptr_t)pthread_self();
    stack.depth = stack.cut = 0;
    if (!of_agent && block != NULL)
        ls_stack_read(&stack, domain != LS_RAW);
    pthread_mutex_lock(&ls_sampler_lock);
    int64_t next = NEVER;
    if (table != NULL) {
        next = draw(mean_of(size));
        if (!of_agent && block != NULL) {
            struct ls_sample sample = {.address = (uintptr_t)block, .size = size};
            sample.stack = ls_stack_intern(&stack);
            sample.domain = (uint32_t)domain;
            totals.taken++;
            totals.unplaced += sample.stack == 0 && stack.depth > 0;
            ls_stack_count(sample.stack, (double)size, mean_of(size));
            insert(&sample);
        }
    }
    __atomic_store_n(left_of(domain, size), next, __ATOMIC_RELAXED);
    pthread_mutex_unlock(&ls_sampler_lock);
}

void ls_drop_sample(const void *block, struct ls_sample *dropped) {
    dropped->address = 0;
    pthread_mutex_lock(&ls_sampler_lock);
    if (table != NULL) {
        struct ls_sample *sample = find((uintptr_t)block);
        if (sample->address != 0) {
            *dropped = *sample;
            erase(sample);
            totals.dropped++;
        }
    }
    pthread_mutex_unlock(&ls_sampler_lock);
}

void ls_restore_sample(const struct ls_sample *dropped) {
    pthread_mutex_lock(&ls_sampler_lock);
    if (table != NULL && dropped->address != 0) {
        insert(dropped);
        totals.dropped--;
    }
    pthread_mutex_unlock(&ls_sampler_lock);
}

/* ---- from the agent */

bool ls_samples_open(uint64_t mean_bytes, uint64_t seed) {
    void *memory = mmap(NULL, SLOTS * sizeof *table, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED)
        return false;
    pthread_mutex_lock(&ls_sampler_lock);
    bool ok = ls_stacks_open();
    if (ok) {
        table = memory;
        alive = 0;
        __atomic_store_n(&agent, (uintptr_t)pthread_self(), __ATOMIC_RELAXED);
        random_state = seed != 0 ? seed : 1;
        totals = (struct ls_sampler_totals){.mean_bytes = mean_bytes};
        for (int i = 0; i < 8; i++)
            draw(1); /* seeds that are alike begin alike */
        __atomic_store_n(&ls_sampler_left, draw(mean_of(0)), __ATOMIC_RELAXED);
        __atomic_store_n(&ls_sampler_left_raw, draw(mean_of(0)), __ATOMIC_RELAXED);
        __atomic_store_n(&ls_sampler_left_large, draw(mean_of(LS_LARGE)), __ATOMIC_RELAXED);
    }
    pthread_mutex_unlock(&ls_sampler_lock);
    if (!ok)
        munmap(memory, SLOTS * sizeof *table);
    return ok;
}

void ls_samples_close(void) {
    pthread_mutex_lock(&ls_sampler_lock);
    void *memory = table;
    table = NULL;
    ls_stacks_close();
    clear_filter(ls_sampler_pages, sizeof ls_sampler_pages);
    clear_filter(ls_sampler_blocks, sizeof ls_sampler_blocks);
    stop_counting();
    pthread_mutex_unlock(&ls_sampler_lock);
    if (memory != NULL)
        munmap(memory, SLOTS * sizeof *table);
}

uint32_t ls_samples_alive(void) { return alive; }

char *ls_samples_write(char *to) {
    for (uint32_t slot = 0; slot < SLOTS; slot++) {
        if (table[slot].address == 0)
            continue;
        memcpy(to, &table[slot], sizeof *table);
        to += sizeof *table;
    }
    return to;
}

const struct ls_sampler_totals *ls_samples_totals(void) { return &totals; }

void ls_samples_in_forked_child(void) {
    table = NULL;
    stop_counting();
    ls_sampler_lock = (pthread_mutex_t)PTHREAD_MUTEX_INITIALIZER;
}
