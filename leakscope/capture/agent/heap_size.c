/* How large objects are, as `sys.getsizeof` says. Child only.
 *
 * getsizeof runs `__sizeof__`, which may be Python code; this follows the implementations of the
 * builtin types instead. A class that overrides `__sizeof__` is measured as its base would be. */
#include "heap.h"

enum {
    GC_HEADER = 16,
    PREHEADER = 16, /* 3.11+: the two words before it, for the dict and weak references */
    MANAGED_DICT = -24,
    VALUES_311 = -32,
    SET_ENTRY = 16,
    ODICT_NODES_LENGTH = 72,
    ODICT_NODE = 32,
    DEQUE_LEFT_INDEX = 40,
    DEQUE_BLOCK_ITEMS = 64,
    DEQUE_BLOCK = 528,
    ARRAY_ALLOCATED = 32,
    ARRAY_DESCRIPTION = 40,
    ARRAY_ITEM_SIZE = 4,
    BYTEARRAY_ALLOCATED = 24,
    BYTES_SIZE = 33,
    INT_DIGITS_312 = 16,
    INT_DIGIT = 4,
    INT_SIZE = 24,
};
#define IMPLAUSIBLE ((uint64_t)1 << 46) /* more than an address space of bytes */

static uint64_t magnitude(int64_t n) { return n < 0 ? (uint64_t)0 - (uint64_t)n : (uint64_t)n; }

static uint64_t int_size(ls_object object) {
    if (ls_python.at.minor >= 12) {
        uint64_t digits = LS_FIELD(uint64_t, object, INT_DIGITS_312) >> 3;
        return INT_SIZE + (digits == 0 ? 1 : digits) * INT_DIGIT;
    }
    uint64_t digits = magnitude(LS_FIELD(int64_t, object, LS_OB_SIZE));
    if (digits == 0 && ls_python.at.minor == 11)
        digits = 1;
    return INT_SIZE + digits * INT_DIGIT;
}

static uint64_t str_size(ls_object object) {
    uint32_t state = LS_FIELD(uint32_t, object, LS_STR_STATE);
    uint64_t length = LS_FIELD(uint64_t, object, LS_STR_LENGTH);
    uint64_t width = state >> 2 & 7;
    int compact = state >> 5 & 1, ascii = state >> 6 & 1;
    if (compact && ascii)
        return ls_python.at.str_ascii_size + length + 1;
    uint64_t size = compact ? ls_python.at.str_compact_size : ls_python.at.str_legacy_size;
    size += (length + 1) * width;
    /* The cached UTF-8 form is a buffer of its own, unless it is the text itself. */
    uintptr_t utf8 = LS_POINTER(object, ls_python.at.str_ascii_size + 8);
    uintptr_t text = compact ? 0 : LS_POINTER(object, ls_python.at.str_compact_size);
    if (utf8 != 0 && utf8 != text)
        size += LS_FIELD(uint64_t, object, ls_python.at.str_ascii_size) + 1;
    return size;
}

static uint64_t dict_buffers(ls_object object) {
    uintptr_t keys = LS_POINTER(object, LS_MA_KEYS);
    uint64_t size = 0;
    if (LS_POINTER(object, LS_MA_VALUES) != 0)
        size += (uint64_t)ls_shared_keys_room(keys) * sizeof(uintptr_t);
    if (LS_FIELD(int64_t, keys, 0) == 1) /* else they are not this dict's alone */
        size += ls_keys_size(keys);
    return size;
}

static uint64_t set_buffers(ls_object object) {
    if (LS_POINTER(object, LS_SET_TABLE) == object + LS_SET_SMALL_TABLE)
        return 0;
    return (LS_FIELD(uint64_t, object, LS_SET_MASK) + 1) * SET_ENTRY;
}

static uint64_t deque_buffers(ls_object object) {
    uint64_t end =
        LS_FIELD(uint64_t, object, DEQUE_LEFT_INDEX) + LS_FIELD(uint64_t, object, LS_OB_SIZE);
    return (end + DEQUE_BLOCK_ITEMS - 1) / DEQUE_BLOCK_ITEMS * DEQUE_BLOCK;
}

static uint64_t array_buffers(ls_object object) {
    uintptr_t description = LS_POINTER(object, ARRAY_DESCRIPTION);
    return LS_FIELD(uint64_t, object, ARRAY_ALLOCATED) *
           (uint64_t)LS_FIELD(uint32_t, description, ARRAY_ITEM_SIZE);
}

static uint64_t bytearray_buffers(ls_object object) {
    uint64_t allocated = LS_FIELD(uint64_t, object, BYTEARRAY_ALLOCATED);
    /* From 3.15 on the buffer is a bytes object that nobody else sees. */
    return ls_python.at.minor >= 15 && allocated != 0 ? allocated + BYTES_SIZE : allocated;
}

/* Lengths and steps of an array, and the data if it allocated that itself: the largest step times
 * the length of that dimension. The one item of an array without dimensions is left out. */
static uint64_t ndarray_buffers(ls_object object) {
    enum { DIMENSIONS = 24, SHAPE = 32, STRIDES = 40, FLAGS = 64, OWNS = 4 };
    int32_t dimensions = LS_FIELD(int32_t, object, DIMENSIONS);
    if (dimensions < 1 || dimensions > 64)
        return 0;
    uintptr_t shape = LS_POINTER(object, SHAPE), strides = LS_POINTER(object, STRIDES);
    uint64_t both = (uint64_t)dimensions * 16, bytes = 0;
    if (!(LS_FIELD(uint32_t, object, FLAGS) & OWNS))
        return both;
    for (int32_t i = 0; i < dimensions; i++) {
        uint64_t length = LS_FIELD(uint64_t, shape, i * 8);
        if (length == 0)
            return both;
        uint64_t span = length * magnitude(LS_FIELD(int64_t, strides, i * 8));
        if (span > bytes)
            bytes = span;
    }
    return both + bytes;
}

/* The buffer of a file. Its size stands beside a mask that proves it, or is 0 where it is odd. */
static uint64_t file_buffers(ls_object object) {
    enum { BUFFER = 56, SIZE = 120, MASK = 128 };
    uint64_t size = LS_FIELD(uint64_t, object, SIZE), mask = LS_FIELD(uint64_t, object, MASK);
    return LS_POINTER(object, BUFFER) != 0 && mask != 0 && mask == size - 1 ? size : 0;
}

/* What a BytesIO holds, if it is its alone. */
static uint64_t bytesio_buffers(ls_object object) {
    enum { BUFFER = 16 };
    uintptr_t bytes = LS_POINTER(object, BUFFER);
    return bytes != 0 && LS_FIELD(uint32_t, bytes, 0) == 1
               ? BYTES_SIZE + LS_FIELD(uint64_t, bytes, LS_OB_SIZE)
               : 0;
}

/* Attributes and children of an XML element, which most elements have. */
static uint64_t element_buffers(ls_object object) {
    enum { EXTRA = 40, ALLOCATED = 16, CHILDREN = 24, FIRST_CHILDREN = 32, EXTRA_SIZE = 64 };
    uintptr_t extra = LS_POINTER(object, EXTRA);
    if (extra == 0)
        return 0;
    int apart = LS_POINTER(extra, CHILDREN) != extra + FIRST_CHILDREN;
    return EXTRA_SIZE + (apart ? LS_FIELD(uint64_t, extra, ALLOCATED) * sizeof(uintptr_t) : 0);
}

static uint64_t type_size(ls_object object) {
    if (!(LS_FIELD(uint32_t, object, LS_TP_FLAGS) & LS_FLAG_HEAPTYPE))
        return ls_python.at.static_type_size;
    uintptr_t keys = LS_POINTER(object, ls_python.at.ht_cached_keys);
    return ls_python.at.heap_type_size + (keys == 0 ? 0 : ls_keys_size(keys));
}

/* Local variables and stack of one call of `code`. */
static uint64_t frame_slots(ls_object code) {
    const struct ls_offsets *at = &ls_python.at;
    uint64_t slots = LS_FIELD(uint32_t, code, at->code_stacksize);
    if (at->minor >= 11)
        return slots + LS_FIELD(uint32_t, code, at->code_nlocalsplus);
    slots += LS_FIELD(uint32_t, code, at->code_nlocals);
    slots += LS_FIELD(uint64_t, LS_POINTER(code, at->code_cellvars), LS_OB_SIZE);
    return slots + LS_FIELD(uint64_t, LS_POINTER(code, at->code_freevars), LS_OB_SIZE);
}

static uint64_t frame_buffers(ls_object object, const struct ls_type *type) {
    const struct ls_offsets *at = &ls_python.at;
    uintptr_t frame = object;
    if (type->kind == LS_KIND_GENERATOR) {
        if (at->minor <= 10)
            return 0; /* its frame is an object of its own */
        frame = object + at->gen_frame;
    } else if (at->minor >= 11) {
        frame = LS_POINTER(object, at->frameobject_frame);
    }
    uintptr_t code = frame == 0 ? 0 : LS_POINTER(frame, at->frame_code) & ~(uintptr_t)7;
    if (code == 0 || LS_POINTER(code, LS_OB_TYPE) != ls_python.code_type)
        return 0;
    uint64_t slots = frame_slots(code);
    if (at->minor <= 10 && slots > 0) /* one is part of the frame object itself */
        slots--;
    return slots * sizeof(uintptr_t);
}

static uint64_t own_size(ls_object object, const struct ls_type *type) {
    uint64_t basic = (uint64_t)type->basic_size;
    switch (type->kind) {
    case LS_KIND_INT:
        return int_size(object);
    case LS_KIND_STR:
        return str_size(object);
    case LS_KIND_LIST:
        return basic + LS_FIELD(uint64_t, object, LS_LIST_ALLOCATED) * sizeof(uintptr_t);
    case LS_KIND_DICT:
        return basic + dict_buffers(object);
    case LS_KIND_ODICT:
        return basic + dict_buffers(object) +
               LS_FIELD(uint64_t, object, ODICT_NODES_LENGTH) * sizeof(uintptr_t) +
               LS_FIELD(uint64_t, object, LS_MA_USED) * ODICT_NODE;
    case LS_KIND_SET:
        return basic + set_buffers(object);
    case LS_KIND_BYTEARRAY:
        return basic + bytearray_buffers(object);
    case LS_KIND_DEQUE:
        return basic + deque_buffers(object);
    case LS_KIND_ARRAY:
        return basic + array_buffers(object);
    case LS_KIND_NDARRAY:
        return basic + ndarray_buffers(object);
    case LS_KIND_BUFFERED:
        return basic + file_buffers(object);
    case LS_KIND_BYTESIO:
        return basic + bytesio_buffers(object);
    case LS_KIND_ELEMENT:
        return basic + element_buffers(object);
    case LS_KIND_TYPE:
        return type_size(object);
    case LS_KIND_GENERATOR:
    case LS_KIND_FRAME:
        return basic + frame_buffers(object, type);
    case LS_KIND_CODE:
        return (basic + (uint64_t)type->item_size * LS_FIELD(uint64_t, object, LS_OB_SIZE) + 7) &
               ~(uint64_t)7;
    case LS_KIND_PLAIN:
    case LS_KIND_DESCRIPTOR:
    case LS_KIND_MMAP:
    case LS_KIND_GREENLET:
        break;
    }
    if (type->item_size <= 0)
        return basic;
    return basic + magnitude(LS_FIELD(int64_t, object, LS_OB_SIZE)) * (uint64_t)type->item_size;
}

uintptr_t ls_inline_values(ls_object object, const struct ls_type *type) {
    unsigned minor = ls_python.at.minor;
    if (minor <= 10 || !(type->flags & LS_FLAG_MANAGED_DICT))
        return 0;
    if (minor == 11)
        return LS_POINTER(object, VALUES_311);
    if (minor == 12) {
        uintptr_t either = LS_POINTER(object, MANAGED_DICT);
        return either & 1 ? either + 1 : 0;
    }
    return type->flags & LS_FLAG_INLINE_VALUES ? object + (uintptr_t)type->basic_size : 0;
}

/* Bytes of attribute values that neither the instance nor its dict, if it has one, counts. */
static uint64_t values_size(ls_object object, const struct ls_type *type) {
    uintptr_t values = ls_inline_values(object, type);
    uintptr_t keys = values == 0 ? 0 : LS_POINTER(type->address, ls_python.at.ht_cached_keys);
    if (keys == 0)
        return 0;
    if (ls_python.at.minor >= 13) {
        ls_object dict = LS_POINTER(object, MANAGED_DICT);
        if (dict != 0 && LS_POINTER(dict, LS_MA_VALUES) == values)
            return 0;
    }
    return (uint64_t)ls_shared_keys_room(keys) * sizeof(uintptr_t);
}

uint64_t ls_size_of(ls_object object, const struct ls_type *type, uint64_t *values) {
    uint64_t size = own_size(object, type);
    if (size >= IMPLAUSIBLE) /* its length field is no length */
        size = (uint64_t)type->basic_size;
    if (ls_has_gc_header(object, type))
        size += GC_HEADER;
    if (ls_python.at.minor >= 11 &&
        type->flags &
            (LS_FLAG_MANAGED_DICT | (ls_python.at.minor >= 12 ? LS_FLAG_MANAGED_WEAKREF : 0)))
        size += PREHEADER;
    uint64_t apart = values_size(object, type);
    *values += apart;
    return size + apart;
}

int64_t ls_length_of(ls_object object, const struct ls_type *type) {
    switch (type->kind) {
    case LS_KIND_LIST:
    case LS_KIND_DEQUE:
        return LS_FIELD(int64_t, object, LS_OB_SIZE);
    case LS_KIND_DICT:
    case LS_KIND_ODICT:
        return LS_FIELD(int64_t, object, LS_MA_USED);
    case LS_KIND_SET:
        return LS_FIELD(int64_t, object, LS_SET_USED);
    default:
        return -1;
    }
}
