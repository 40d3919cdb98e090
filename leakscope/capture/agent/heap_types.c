/* One record per type: what walking its objects needs, and their totals. Child only. */
#define _GNU_SOURCE
#include "heap.h"

#include <string.h>

enum { CHUNK = 512, CHUNKS = 1 << 14 };

static struct ls_type *chunks[CHUNKS];
static uint32_t count;
static struct ls_type **slots; /* open addressing, by address; at most half full */
static uint64_t slot_mask;
static struct ls_type *last;

static uint64_t slot_for(ls_object address) {
    return (address * 0x9e3779b97f4a7c15u) >> 32 & slot_mask;
}

static void grow(void) {
    struct ls_type **old = slots;
    uint64_t old_size = old == NULL ? 0 : slot_mask + 1;
    uint64_t size = old == NULL ? 8192 : old_size * 2;
    slots = ls_map(size * sizeof *slots);
    slot_mask = size - 1;
    for (uint64_t i = 0; i < old_size; i++)
        if (old[i] != NULL) {
            uint64_t slot = slot_for(old[i]->address);
            while (slots[slot] != NULL)
                slot = (slot + 1) & slot_mask;
            slots[slot] = old[i];
        }
}

/* Types of extension modules have no symbol; they are known by name, and cannot be mistaken for
 * a class of that name because only types written in C have a table of methods. */
static const struct extension_type {
    const char *name;
    int64_t smallest;
    enum ls_kind kind;
} extension_types[] = {
    {"collections.deque", 80, LS_KIND_DEQUE},
    {"array.array", 64, LS_KIND_ARRAY},
    {"numpy.ndarray", 80, LS_KIND_NDARRAY},
    {"_io.BufferedReader", 136, LS_KIND_BUFFERED},
    {"_io.BufferedWriter", 136, LS_KIND_BUFFERED},
    {"_io.BufferedRandom", 136, LS_KIND_BUFFERED},
    {"_io.BytesIO", 64, LS_KIND_BYTESIO},
    {"xml.etree.ElementTree.Element", 48, LS_KIND_ELEMENT},
    {"_socket.socket", 24, LS_KIND_DESCRIPTOR},
    {"_io.FileIO", 24, LS_KIND_DESCRIPTOR},
    {"select.epoll", 24, LS_KIND_DESCRIPTOR},
    {"mmap.mmap", 64, LS_KIND_MMAP},
};

static int is_extension_type(ls_object type, const struct extension_type *known) {
    return LS_POINTER(type, LS_TP_METHODS) != 0 &&
           LS_FIELD(int64_t, type, LS_TP_BASICSIZE) >= known->smallest &&
           strcmp((const char *)LS_POINTER(type, LS_TP_NAME), known->name) == 0;
}

static enum ls_kind kind_of_base(ls_object type) {
    if (type == ls_python.odict_type)
        return LS_KIND_ODICT;
    if (type == ls_python.frozendict_type)
        return LS_KIND_DICT;
    if (type == ls_python.set_type || type == ls_python.frozenset_type)
        return LS_KIND_SET;
    if (type == ls_python.bytearray_type)
        return LS_KIND_BYTEARRAY;
    if (type == ls_python.frame_type)
        return LS_KIND_FRAME;
    if (type == ls_python.code_type)
        return LS_KIND_CODE;
    if (type == ls_python.gen_type || type == ls_python.coro_type ||
        type == ls_python.asyncgen_type)
        return LS_KIND_GENERATOR;
    for (size_t i = 0; i < sizeof extension_types / sizeof extension_types[0]; i++)
        if (is_extension_type(type, &extension_types[i]))
            return extension_types[i].kind;
    return LS_KIND_PLAIN;
}

static enum ls_kind kind_of(ls_object type, uint32_t flags) {
    enum ls_kind kind = LS_KIND_PLAIN;
    for (ls_object base = type; base != 0 && kind == LS_KIND_PLAIN;
         base = LS_POINTER(base, LS_TP_BASE))
        kind = kind_of_base(base);
    if (kind != LS_KIND_PLAIN)
        return kind;
    return flags & LS_FLAG_LONG      ? LS_KIND_INT
           : flags & LS_FLAG_UNICODE ? LS_KIND_STR
           : flags & LS_FLAG_LIST    ? LS_KIND_LIST
           : flags & LS_FLAG_DICT    ? LS_KIND_DICT
           : flags & LS_FLAG_TYPE    ? LS_KIND_TYPE
                                     : LS_KIND_PLAIN;
}

/* A type is an object whose own type makes types. What is not one has nothing to be called. */
static int is_type(ls_object address) {
    if (!ls_plausible(address))
        return 0;
    ls_object maker = LS_POINTER(address, LS_OB_TYPE);
    return ls_plausible(maker) && (LS_FIELD(uint32_t, maker, LS_TP_FLAGS) & LS_FLAG_TYPE);
}

static struct ls_type *describe(ls_object address) {
    if (!is_type(address))
        ls_child_fail(LS_FAIL_OBJECT);
    if (count % CHUNK == 0) {
        if (count / CHUNK == CHUNKS)
            ls_child_fail(LS_FAIL_MEMORY);
        chunks[count / CHUNK] = ls_map(CHUNK * sizeof(struct ls_type));
    }
    struct ls_type *type = &chunks[count / CHUNK][count % CHUNK];
    type->address = address;
    type->index = count++;
    type->flags = LS_FIELD(uint32_t, address, LS_TP_FLAGS);
    type->basic_size = LS_FIELD(int64_t, address, LS_TP_BASICSIZE);
    type->item_size = LS_FIELD(int64_t, address, LS_TP_ITEMSIZE);
    memcpy(&type->traverse, (void *)(address + LS_TP_TRAVERSE), sizeof type->traverse);
    memcpy(&type->is_gc, (void *)(address + LS_TP_IS_GC), sizeof type->is_gc);
    type->kind = kind_of(address, type->flags);
    if (type->kind == LS_KIND_PLAIN && (type->frame_getter = ls_greenlet_getter(address)) != NULL)
        type->kind = LS_KIND_GREENLET;
    return type;
}

struct ls_type *ls_type_of(ls_object object) {
    ls_object address = LS_POINTER(object, LS_OB_TYPE);
    if (last != NULL && last->address == address)
        return last;
    if (slots == NULL || (uint64_t)count * 2 > slot_mask)
        grow();
    uint64_t slot = slot_for(address);
    while (slots[slot] != NULL && slots[slot]->address != address)
        slot = (slot + 1) & slot_mask;
    if (slots[slot] == NULL)
        slots[slot] = describe(address);
    last = slots[slot];
    return last;
}

struct ls_type *ls_type_at(uint32_t index) {
    return &chunks[index / CHUNK][index % CHUNK];
}

uint32_t ls_type_count(void) { return count; }

/* The value of a str key in the dict of a type, 0 if it is not there. */
static ls_object in_dict_of(ls_object type, const char *name) {
    ls_object dict = LS_POINTER(type, LS_TP_DICT), key, value;
    intptr_t position = 0;
    while (dict != 0 && ls_python.dict_next(dict, &position, &key, &value))
        if (ls_text_equals(key, name))
            return value;
    return 0;
}

size_t ls_type_name(ls_object type, char *text, size_t room) {
    const char *plain = (const char *)LS_POINTER(type, LS_TP_NAME);
    size_t length = strnlen(plain, room);
    if (!(LS_FIELD(uint32_t, type, LS_TP_FLAGS) & LS_FLAG_HEAPTYPE)) {
        size_t prefix = memchr(plain, '.', length) == NULL ? 9 : 0;
        if (prefix + length > room)
            length = room - prefix;
        memcpy(text, "builtins.", prefix);
        memcpy(text + prefix, plain, length);
        return prefix + length;
    }
    ls_object module = in_dict_of(type, "__module__");
    size_t written = module == 0 ? 0 : ls_text_of(module, text, room);
    if (written != 0 && written < room)
        text[written++] = '.';
    return written +
           ls_text_of(LS_POINTER(type, ls_python.at.ht_qualname), text + written, room - written);
}
