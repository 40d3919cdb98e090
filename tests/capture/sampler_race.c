/* The sampler under threads, without an interpreter, for the thread sanitizer.
 *
 * Two threads allocate objects under a lock that stands for the GIL, two allocate raw memory
 * without it, while the main thread puts the hooks in, reads and takes them out again. Prints how
 * many samples it came across. */
#define _GNU_SOURCE
#include "heap_names.h"
#include "sampler_hooks.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CYCLES = 200, BLOCKS = 64 };

struct ls_python ls_python;
static pthread_mutex_t gil = PTHREAD_MUTEX_INITIALIZER;
static int stop;

/* ---- an interpreter's allocators: small objects from one place, large ones from raw memory */

static struct ls_allocator table[LS_DOMAINS];

static void *load(void *const *from) { return __atomic_load_n(from, __ATOMIC_ACQUIRE); }

static struct ls_allocator current(int domain) {
    struct ls_allocator found;
    void *words[5];
    for (int i = 0; i < 5; i++)
        words[i] = load((void *const *)&table[domain] + i);
    memcpy(&found, words, sizeof found);
    return found;
}

void PyMem_GetAllocator(int domain, struct ls_allocator *found) { *found = current(domain); }

void PyMem_SetAllocator(int domain, struct ls_allocator *wanted) {
    void *words[5];
    memcpy(words, wanted, sizeof words);
    for (int i = 0; i < 5; i++)
        __atomic_store_n((void **)&table[domain] + i, words[i], __ATOMIC_RELEASE);
}

static void *plain_malloc(void *c, size_t size) { return (void)c, malloc(size ? size : 1); }
static void *plain_calloc(void *c, size_t n, size_t size) { return (void)c, calloc(n, size); }
static void *plain_realloc(void *c, void *p, size_t size) { return (void)c, realloc(p, size); }
static void plain_free(void *c, void *p) { (void)c, free(p); }

static void *object_malloc(void *c, size_t size) {
    struct ls_allocator raw = current(LS_RAW);
    return size > 512 ? raw.malloc(raw.context, size) : plain_malloc(c, size);
}
static void *object_calloc(void *c, size_t n, size_t size) {
    void *block = object_malloc(c, n * size);
    return block ? memset(block, 0, n * size) : NULL;
}
static void *object_realloc(void *c, void *p, size_t size) {
    struct ls_allocator raw = current(LS_RAW);
    (void)c;
    return raw.realloc(raw.context, p, size);
}
static void object_free(void *c, void *p) {
    struct ls_allocator raw = current(LS_RAW);
    (void)c;
    raw.free(raw.context, p);
}

/* ---- what the sampler asks of the rest of the agent */

static struct {
    char padding[16];
    uint64_t size;
    char bytes[16];
} line_table = {.size = 4};

static struct code { char fields[256]; } codes[4];

static void *no_thread(void) { return &codes[0]; }
uintptr_t ls_frame_of_thread(void *thread) { return (uintptr_t)thread; }
uintptr_t ls_frame_before(uintptr_t frame) {
    return frame == (uintptr_t)&codes[3] ? 0 : frame + sizeof(struct code);
}
ls_object ls_code_of_running(uintptr_t frame) { return frame; }
int32_t ls_instruction_of(uintptr_t frame, ls_object code) { return (int32_t)(frame - code); }
size_t ls_text_of(ls_object object, char *text, size_t room) {
    (void)object;
    memcpy(text, "name", room < 4 ? room : 4);
    return 4;
}
void *ls_symbol(const char *name) {
    return strcmp(name, "PyMem_GetAllocator") == 0 ? (void *)PyMem_GetAllocator
                                                   : (void *)PyMem_SetAllocator;
}

/* ---- the race */

static void use(int domain) {
    void *blocks[BLOCKS];
    for (int i = 0; i < BLOCKS; i++) {
        struct ls_allocator at = current(domain);
        size_t size = i % 16 ? (size_t)(i * 37 % 900) + 1 : 2 * LS_LARGE;
        blocks[i] = i % 2 ? at.malloc(at.context, size) : at.calloc(at.context, 1, size);
    }
    for (int i = 0; i < BLOCKS; i++) {
        struct ls_allocator at = current(domain);
        blocks[i] = at.realloc(at.context, blocks[i], (size_t)i * 29 + 1);
        at = current(domain);
        at.free(at.context, blocks[i]);
    }
}

static void *with_gil(void *domain) {
    while (!__atomic_load_n(&stop, __ATOMIC_RELAXED)) {
        pthread_mutex_lock(&gil);
        use((int)(intptr_t)domain);
        pthread_mutex_unlock(&gil);
    }
    return NULL;
}

static void *without_gil(void *unused) {
    while (!__atomic_load_n(&stop, __ATOMIC_RELAXED))
        use(LS_RAW);
    return unused;
}

int main(void) {
    static const struct ls_allocator raw = {NULL, plain_malloc, plain_calloc, plain_realloc,
                                            plain_free},
                                     object = {NULL, object_malloc, object_calloc, object_realloc,
                                               object_free};
    static struct ls_allocator before[LS_DOMAINS];
    uint64_t seen = 0;
    for (int i = 0; i < 4; i++) {
        void *where = &line_table;
        memcpy(codes[i].fields + 200, &where, sizeof where);
    }
    ls_python.at.code_linetable = 200;
    ls_python.at.code_qualname = ls_python.at.code_name = 208;
    ls_python.at.code_filename = 216;
    ls_python.at.code_first_line = 224;
    ls_python.image_end = UINTPTR_MAX;
    ls_python.current_thread = ls_python.thread_of_caller = no_thread;
    table[LS_RAW] = raw;
    table[LS_MEM] = table[LS_OBJ] = object;
    memcpy(before, table, sizeof table);
    pthread_t threads[4];
    pthread_create(&threads[0], NULL, with_gil, (void *)LS_MEM);
    pthread_create(&threads[1], NULL, with_gil, (void *)LS_OBJ);
    pthread_create(&threads[2], NULL, without_gil, NULL);
    pthread_create(&threads[3], NULL, without_gil, NULL);
    for (int cycle = 0; cycle < CYCLES; cycle++) {
        pthread_mutex_lock(&gil);
        int ok = ls_samples_open(2048, (uint64_t)cycle + 1) && ls_hooks_install();
        pthread_mutex_unlock(&gil);
        if (!ok)
            return 2;
        struct timespec moment = {.tv_nsec = 1000000};
        nanosleep(&moment, NULL);
        pthread_mutex_lock(&ls_sampler_lock);
        size_t size = ls_stacks_size() + ls_samples_alive() * sizeof(struct ls_sample);
        char *copy = malloc(size + 1);
        ls_samples_write(ls_stacks_write(copy));
        seen += ls_samples_totals()->taken;
        pthread_mutex_unlock(&ls_sampler_lock);
        free(copy);
        pthread_mutex_lock(&gil);
        ls_hooks_remove();
        ls_samples_close();
        pthread_mutex_unlock(&gil);
    }
    int gone = ls_hooks_are_gone();
    __atomic_store_n(&stop, 1, __ATOMIC_RELAXED);
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    printf("%llu %d %d\n", (unsigned long long)seen, gone,
           memcmp(before, table, sizeof table) == 0);
    return 0;
}
