/* What the C library's allocator says of itself. Child only.
 *
 * It takes the allocator's locks, which another thread may have held when the heap was frozen: then
 * this waits for ever, and the copy with it. So it is asked last, and who asks does not wait long.
 * In the target itself it would hold up who allocates, for as long as it walks what is free. */
#include "heap_names.h"

struct figures { /* struct mallinfo2 of glibc 2.33 and later */
    size_t arena, free_chunks, fast_blocks, mapped_regions, mapped, unused, fast_free, used, free,
        releasable;
};

void ls_malloc_answer(void) {
    uint64_t told[4] = {0};
    struct figures (*ask)(void);
    *(void **)&ask = ls_python.malloc_figures;
    if (ask != NULL) {
        struct figures found = ask();
        told[0] = found.arena;
        told[1] = found.mapped;
        told[2] = found.used;
        told[3] = found.free;
    }
    ls_stream_frame(LS_FRAME_NAMES, ask != NULL, told, sizeof told);
}
