/* Text of str objects as UTF-8, read from their buffers. Child only.
 *
 * The interpreter's own conversion allocates and caches; this one does neither. Lone surrogates
 * come out as three bytes each (what Python calls `surrogatepass`). */
#include "heap.h"

#include <string.h>

enum {
    STATE_INTERNED = 3,
    STATE_KIND_SHIFT = 2,
    STATE_KIND_MASK = 7,
    STATE_COMPACT = 1 << 5,
    STATE_ASCII = 1 << 6
};

/* Where the characters are; NULL if they cannot be read. `*width` is bytes per character. */
static const void *characters(ls_object object, unsigned *width) {
    ls_object type = LS_POINTER(object, LS_OB_TYPE);
    if (!(LS_FIELD(uint32_t, type, LS_TP_FLAGS) & LS_FLAG_UNICODE))
        return NULL;
    uint32_t state = LS_FIELD(uint32_t, object, LS_STR_STATE);
    *width = state >> STATE_KIND_SHIFT & STATE_KIND_MASK;
    if (*width != 1 && *width != 2 && *width != 4)
        return NULL;
    if (!(state & STATE_COMPACT))
        return (const void *)LS_POINTER(object, ls_python.at.str_compact_size);
    return (const void *)(object + (state & STATE_ASCII ? ls_python.at.str_ascii_size
                                                        : ls_python.at.str_compact_size));
}

intptr_t ls_text_length(ls_object object) { return LS_FIELD(intptr_t, object, LS_STR_LENGTH); }

static size_t encode(uint32_t c, unsigned char *out) {
    if (c < 0x80) {
        out[0] = (unsigned char)c;
        return 1;
    }
    if (c < 0x800) {
        out[0] = (unsigned char)(0xc0 | c >> 6);
        out[1] = (unsigned char)(0x80 | (c & 63));
        return 2;
    }
    if (c < 0x10000) {
        out[0] = (unsigned char)(0xe0 | c >> 12);
        out[1] = (unsigned char)(0x80 | (c >> 6 & 63));
        out[2] = (unsigned char)(0x80 | (c & 63));
        return 3;
    }
    out[0] = (unsigned char)(0xf0 | (c >> 18 & 7));
    out[1] = (unsigned char)(0x80 | (c >> 12 & 63));
    out[2] = (unsigned char)(0x80 | (c >> 6 & 63));
    out[3] = (unsigned char)(0x80 | (c & 63));
    return 4;
}

size_t ls_text_of(ls_object object, char *text, size_t room) {
    unsigned width;
    const void *from = characters(object, &width);
    if (from == NULL)
        return 0;
    intptr_t length = ls_text_length(object);
    size_t written = 0;
    for (intptr_t i = 0; i < length; i++) {
        unsigned char bytes[4];
        uint32_t c = width == 1   ? ((const uint8_t *)from)[i]
                     : width == 2 ? ((const uint16_t *)from)[i]
                                  : ((const uint32_t *)from)[i];
        size_t size = encode(c, bytes);
        if (size > room - written)
            break;
        memcpy(text + written, bytes, size);
        written += size;
    }
    return written;
}

int ls_text_is_interned(ls_object object) {
    unsigned width;
    return characters(object, &width) != NULL &&
           (LS_FIELD(uint32_t, object, LS_STR_STATE) & STATE_INTERNED) != 0;
}

int ls_text_equals(ls_object object, const char *text) {
    unsigned width;
    size_t length = strlen(text);
    const void *from = characters(object, &width);
    return from != NULL && width == 1 && (size_t)ls_text_length(object) == length &&
           memcmp(from, text, length) == 0;
}
