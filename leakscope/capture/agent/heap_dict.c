/* How dicts keep their keys. Child only; reads, never writes. */
#include "heap.h"

enum {
    KEYS_REFCOUNT = 0,
    KEYS_SIZE_39 = 8, /* 3.9, 3.10: number of slots; later versions have three small fields */
    KEYS_LOOKUP_39 = 16,
    KEYS_LOG2_SIZE = 8,
    KEYS_LOG2_INDEX_BYTES = 9,
    KEYS_KIND = 10,
    KIND_GENERAL = 0,
    GENERAL_ENTRY = 24, /* hash, key, value */
    STRING_ENTRY = 16,  /* key, value */
};

static uint64_t index_bytes_39(int64_t slots) {
    uint64_t width = slots <= 0xff ? 1 : slots <= 0xffff ? 2 : slots <= 0xffffffff ? 4 : 8;
    return (uint64_t)slots * width;
}

void ls_keys_entries(uintptr_t keys, struct ls_entries *entries) {
    uint64_t index_bytes;
    entries->stride = GENERAL_ENTRY;
    entries->key = 8;
    if (ls_python.at.minor <= 10) {
        index_bytes = index_bytes_39(LS_FIELD(int64_t, keys, KEYS_SIZE_39));
        entries->strings = LS_POINTER(keys, KEYS_LOOKUP_39) != ls_python.general_lookup;
    } else {
        index_bytes = (uint64_t)1 << (LS_FIELD(uint8_t, keys, KEYS_LOG2_INDEX_BYTES) & 63);
        entries->strings = LS_FIELD(uint8_t, keys, KEYS_KIND) != KIND_GENERAL;
        if (entries->strings) {
            entries->stride = STRING_ENTRY;
            entries->key = 0;
        }
    }
    entries->first = keys + ls_python.at.keys_indices + index_bytes;
    entries->count = LS_FIELD(int64_t, keys, ls_python.at.keys_nentries);
}

uint64_t ls_keys_size(uintptr_t keys) {
    struct ls_entries entries;
    ls_keys_entries(keys, &entries);
    int64_t slots = ls_python.at.minor <= 10
                        ? LS_FIELD(int64_t, keys, KEYS_SIZE_39)
                        : (int64_t)1 << (LS_FIELD(uint8_t, keys, KEYS_LOG2_SIZE) & 63);
    return entries.first - keys + (uint64_t)((slots << 1) / 3) * entries.stride;
}

int64_t ls_shared_keys_room(uintptr_t keys) {
    if (ls_python.at.minor <= 10)
        return (LS_FIELD(int64_t, keys, KEYS_SIZE_39) << 1) / 3;
    return LS_FIELD(int64_t, keys, ls_python.at.keys_usable) +
           LS_FIELD(int64_t, keys, ls_python.at.keys_nentries);
}

int ls_may_be_interned_table(ls_object dict) {
    enum { SMALLEST = 256, LOOKED_AT = 64 };
    if (ls_python.at.minor < 14 || LS_FIELD(int64_t, dict, LS_MA_USED) < SMALLEST)
        return 0;
    struct ls_entries entries;
    ls_keys_entries(LS_POINTER(dict, LS_MA_KEYS), &entries);
    int64_t looked_at = 0;
    for (int64_t i = 0; i < entries.count && looked_at < LOOKED_AT; i++) {
        uintptr_t entry = entries.first + (uint64_t)i * entries.stride + entries.key;
        ls_object key = LS_POINTER(entry, 0), value = LS_POINTER(entry, 8);
        if (value == 0)
            continue;
        if (key != value || !ls_text_is_interned(key))
            return 0;
        looked_at++;
    }
    return looked_at == LOOKED_AT;
}
