/* Which objects have a descriptor: sockets, files, epoll objects, memory maps. Child only.
 *
 * Only types of the standard library, and those derived from them, of which the place of the number
 * is known. The number is read where they keep it; nothing of theirs is run. */
#include "heap_names.h"

enum { DESCRIPTOR = 16, MMAP_DESCRIPTOR = 56 };

static int32_t descriptor_of(ls_object object) {
    enum ls_kind kind = ls_type_of(object)->kind;
    if (kind == LS_KIND_DESCRIPTOR)
        return LS_FIELD(int32_t, object, DESCRIPTOR);
    return kind == LS_KIND_MMAP ? LS_FIELD(int32_t, object, MMAP_DESCRIPTOR) : -1;
}

static void send_descriptor(ls_object object, void *unused) {
    (void)unused;
    struct {
        uint64_t object;
        int32_t descriptor;
        uint32_t padding;
    } record = {.object = object, .descriptor = descriptor_of(object)};
    if (record.descriptor >= 0)
        ls_stream_record(LS_FRAME_NAMES, &record, sizeof record, NULL, 0);
}

void ls_descriptors_answer(void) { ls_visited_each(send_descriptor, NULL); }
