/* The walk over the frozen heap. Child only; calls tp_traverse, writes to the stream.
 *
 * First pass: from the collector's lists and the variables of running functions along every
 * reference, each object once. Everything that lives is found whether the collector tracks it or
 * not, even if a collection was under way when the heap froze. Nothing recurses, however deep the
 * heap is.
 *
 * For a census that is all: totals per type. For a full snapshot the objects are then numbered in
 * order of address and a second pass, in that order, streams them with their references. */
#define _GNU_SOURCE
#include "clock.h"
#include "heap_names.h"

#include <string.h>

enum { BLOCK_OBJECTS = 1 << 16, BLOCK_REFERENCES = 1 << 20, NAME_ROOM = 1024 };
enum { GC_TRACKED = 1, IMMORTAL = 2, STATIC = 4, IS_TYPE = 8, GREENLET = 16 };

struct walk {
    struct ls_visitor visitor; /* first: visit functions are given its address */
    const struct ls_heap_request *request;
    uint64_t objects, references, odd, values_bytes;
    uint64_t announced; /* references that the first pass counted */
    uint32_t types_met;
};

/* A block of the second pass, as columns. */
static struct {
    uint64_t *address, *size;
    int64_t *refcount;
    uint32_t *type, *degree, *targets;
    uint8_t *flags;
    uint32_t objects, references;
} block;

/* ---- First pass */

static void report_length(const struct walk *walk, ls_object object, const struct ls_type *type) {
    int64_t length = ls_length_of(object, type);
    if (length < (int64_t)walk->request->min_length)
        return;
    struct {
        uint64_t address;
        int64_t length;
        uint64_t type;
    } record = {object, length, type->index};
    ls_stream_record(LS_FRAME_LENGTHS, &record, sizeof record, NULL, 0);
}

/* Of what may be the table of interned strings the largest is: it has those of all others. */
static int is_interned_table(ls_object object, const struct ls_type *type) {
    ls_object other = ls_interned_table;
    if (type->address != ls_python.dict_type || !ls_may_be_interned_table(object))
        return 0;
    if (other != 0 && LS_FIELD(int64_t, object, LS_MA_USED) <= LS_FIELD(int64_t, other, LS_MA_USED))
        return 0;
    if (other != 0)
        ls_pending_push(other);
    ls_interned_table = object;
    return 1;
}

static void meet(struct walk *walk, ls_object object) {
    struct ls_type *type = ls_type_of(object);
    walk->objects++;
    type->objects++;
    if (walk->request->depth == LS_DEPTH_CENSUS)
        type->bytes += ls_size_of(object, type, &walk->values_bytes);
    report_length(walk, object, type);
    if (!is_interned_table(object, type) && ls_has_references(type))
        ls_pending_push(object);
}

static int discover(ls_object referent, void *context) {
    struct walk *walk = context;
    if (referent == walk->visitor.type)
        walk->visitor.type_seen = 1;
    if (!ls_plausible(referent)) {
        walk->odd += referent != 0;
        return 0;
    }
    walk->references++;
    if (ls_visited_add(referent))
        meet(walk, referent);
    return 0;
}

/* Every type is an object too, be it referred to or not. */
static int meet_next_type(struct walk *walk) {
    if (walk->types_met == ls_type_count())
        return 0;
    ls_object address = ls_type_at(walk->types_met++)->address;
    if (ls_visited_add(address))
        meet(walk, address);
    return 1;
}

static void follow_pending(struct walk *walk) {
    ls_object object;
    do
        while (ls_pending_pop(&object))
            ls_references(object, ls_type_of(object), discover, &walk->visitor);
    while (meet_next_type(walk));
}

/* What has no holder that counts: it is met, and that is all. */
static int discover_uncounted(ls_object referent, void *context) {
    struct walk *walk = context;
    uint64_t before = walk->references;
    discover(referent, context);
    walk->references = before;
    return 0;
}

static void walk_list(struct walk *walk, uintptr_t head) {
    uintptr_t header = LS_POINTER(head, 0) & ~(uintptr_t)3;
    while (header != head) {
        if (!ls_plausible(header))
            ls_child_fail(LS_FAIL_LIST);
        if (ls_visited_add(header + 16)) {
            meet(walk, header + 16);
            follow_pending(walk);
        }
        header = LS_POINTER(header, 0) & ~(uintptr_t)3;
    }
}

static void report_types(void) {
    static char name[NAME_ROOM];
    for (uint32_t i = 0; i < ls_type_count(); i++) {
        const struct ls_type *type = ls_type_at(i);
        struct {
            uint64_t address, objects, bytes;
            uint32_t flags, name_bytes;
        } record = {type->address, type->objects, type->bytes, type->flags, 0};
        record.name_bytes = (uint32_t)ls_type_name(type->address, name, sizeof name);
        ls_stream_record(LS_FRAME_TYPES, &record, sizeof record, name, record.name_bytes);
    }
}

/* ---- Second pass */

static void flush_references(void) {
    if (block.references == 0)
        return;
    ls_stream_frame(LS_FRAME_REFERENCES, block.references, block.targets,
                    block.references * sizeof *block.targets);
    block.references = 0;
}

static void flush_objects(void) {
    uint64_t n = block.objects, padding = 0;
    if (n == 0)
        return;
    uint64_t pad = (8 - n % 8) % 8;
    ls_stream_flush();
    ls_stream_head(LS_FRAME_OBJECTS, (uint32_t)n, n * 33 + pad);
    ls_stream_send(block.address, n * sizeof *block.address);
    ls_stream_send(block.size, n * sizeof *block.size);
    ls_stream_send(block.refcount, n * sizeof *block.refcount);
    ls_stream_send(block.type, n * sizeof *block.type);
    ls_stream_send(block.degree, n * sizeof *block.degree);
    ls_stream_send(block.flags, n);
    ls_stream_send(&padding, pad);
    block.objects = 0;
}

static int record_reference(ls_object referent, void *context) {
    struct walk *walk = context;
    if (referent == walk->visitor.type)
        walk->visitor.type_seen = 1;
    if (!ls_plausible(referent))
        return 0;
    if (walk->references == walk->announced)
        ls_child_fail(LS_FAIL_UNSTABLE);
    if (block.references == BLOCK_REFERENCES)
        flush_references();
    block.targets[block.references++] = ls_visited_rank(referent);
    walk->references++;
    return 0;
}

static int64_t reference_count(ls_object object, uint8_t *flags) {
    if (ls_python.at.minor < 12)
        return LS_FIELD(int64_t, object, 0);
    int32_t count = LS_FIELD(int32_t, object, 0);
    if (count >= 0)
        return count;
    *flags |= IMMORTAL;
    return -1;
}

static uint8_t flags_of(ls_object object, const struct ls_type *type) {
    uint8_t flags = 0;
    if (ls_has_gc_header(object, type) && LS_POINTER(object, -16) != 0)
        flags |= GC_TRACKED;
    if (type->kind == LS_KIND_TYPE) {
        flags |= IS_TYPE;
        if (!(LS_FIELD(uint32_t, object, LS_TP_FLAGS) & LS_FLAG_HEAPTYPE))
            flags |= STATIC;
    }
    if (type->kind == LS_KIND_GREENLET)
        flags |= GREENLET;
    if (object >= ls_python.image_start && object < ls_python.image_end)
        flags |= STATIC;
    return flags;
}

static void record_object(ls_object object, void *context) {
    struct walk *walk = context;
    const struct ls_type *type = ls_type_of(object);
    uint64_t before = walk->references;
    uint8_t flags = flags_of(object, type);
    if (ls_has_references(type))
        ls_references(object, type, record_reference, &walk->visitor);
    uint32_t i = block.objects++;
    block.address[i] = object;
    block.size[i] = ls_size_of(object, type, &walk->values_bytes);
    block.refcount[i] = reference_count(object, &flags);
    block.type[i] = type->index;
    block.degree[i] = (uint32_t)(walk->references - before);
    block.flags[i] = flags;
    walk->objects++;
    if (block.objects == BLOCK_OBJECTS) {
        flush_references();
        flush_objects();
    }
}

static void record_all(struct walk *walk) {
    block.address = ls_map(BLOCK_OBJECTS * sizeof *block.address);
    block.size = ls_map(BLOCK_OBJECTS * sizeof *block.size);
    block.refcount = ls_map(BLOCK_OBJECTS * sizeof *block.refcount);
    block.type = ls_map(BLOCK_OBJECTS * sizeof *block.type);
    block.degree = ls_map(BLOCK_OBJECTS * sizeof *block.degree);
    block.flags = ls_map(BLOCK_OBJECTS);
    block.targets = ls_map(BLOCK_REFERENCES * sizeof *block.targets);
    ls_visited_each(record_object, walk);
    flush_references();
    flush_objects();
}

static void report_counts(const struct walk *walk) {
    uint64_t counts[3] = {walk->objects, walk->references, ls_type_count()};
    ls_stream_frame(LS_FRAME_COUNTS, 1, counts, sizeof counts);
}

void ls_walk(const struct ls_freeze *freeze) {
    uint64_t began = now_ns();
    struct walk found = {.request = &freeze->request};
    for (int i = 0; i < LS_GENERATIONS; i++)
        walk_list(&found, freeze->heads[i]);
    discover_uncounted(freeze->modules, &found);
    ls_running(freeze, discover_uncounted, &found.visitor);
    if (ls_interned_table != 0)
        ls_type_of(ls_interned_table)
            ->traverse(ls_interned_table, discover_uncounted, &found.visitor);
    follow_pending(&found);
    report_counts(&found);
    report_types();
    struct walk recorded = {.request = &freeze->request,
                            .values_bytes = found.values_bytes,
                            .announced = found.references};
    if (freeze->request.depth == LS_DEPTH_FULL) {
        ls_visited_number();
        record_all(&recorded);
        if (recorded.objects != found.objects || recorded.references != found.references)
            ls_child_fail(LS_FAIL_UNSTABLE);
        ls_roots(freeze);
    }
    uint64_t end[4] = {found.odd, recorded.values_bytes, ls_memory_used(), now_ns() - began};
    ls_stream_frame(LS_FRAME_END, 1, end, sizeof end);
}
