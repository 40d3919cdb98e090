/* Attributes of instances, read from where they are stored. Child only; runs no code of theirs. */
#define _GNU_SOURCE
#include "heap_names.h"

#include <string.h>

enum { MANAGED_DICT = -24, MEMBER = 40, MEMBER_TYPE = 8, MEMBER_OFFSET = 16, MEMBER_FLAGS = 24 };
enum { IS_OBJECT = 6, IS_OBJECT_EX = 16, RELATIVE_OFFSET = 8 };

ls_object ls_attribute_dict(ls_object object, const struct ls_type *type) {
    unsigned minor = ls_python.at.minor;
    uintptr_t dict = 0;
    if (object == 0)
        return 0;
    if (type->address == ls_python.module_type || type->kind == LS_KIND_TYPE)
        dict = type->kind == LS_KIND_TYPE ? LS_POINTER(object, LS_TP_DICT) : LS_POINTER(object, 16);
    else if (minor >= 11 && (type->flags & LS_FLAG_MANAGED_DICT))
        dict = LS_POINTER(object, MANAGED_DICT);
    else {
        int64_t offset = LS_FIELD(int64_t, type->address, LS_TP_DICTOFFSET);
        if (offset < 0 && type->item_size > 0) {
            int64_t length = LS_FIELD(int64_t, object, LS_OB_SIZE);
            uint64_t size = (uint64_t)(length < 0 ? -length : length) * (uint64_t)type->item_size;
            offset += (int64_t)(((uint64_t)type->basic_size + size + 7) & ~(uint64_t)7);
        }
        dict = offset > 0 ? LS_POINTER(object, offset) : 0;
    }
    if (!ls_plausible(dict) || !ls_visited_has(dict)) /* 3.12: may be tagged values instead */
        return 0;
    return ls_type_of(dict)->kind == LS_KIND_DICT ? dict : 0;
}

ls_object ls_dict_key_of(ls_object dict, ls_object value) {
    ls_object key, found;
    intptr_t position = 0;
    while (ls_python.dict_next(dict, &position, &key, &found))
        if (found == value)
            return key;
    return 0;
}

ls_object ls_dict_value_of(ls_object dict, const char *name) {
    ls_object key, value;
    intptr_t position = 0;
    while (dict != 0 && ls_python.dict_next(dict, &position, &key, &value))
        if (ls_text_equals(key, name))
            return value;
    return 0;
}

/* The key of a value stored beside the instance: of this value or, if `name` is given, of that
 * name. 0 if there is none. */
static ls_object inline_name(ls_object object, const struct ls_type *type, ls_object value,
                             const char *name, ls_object *found) {
    uintptr_t values = ls_inline_values(object, type);
    uintptr_t keys = values == 0 ? 0 : LS_POINTER(type->address, ls_python.at.ht_cached_keys);
    if (keys == 0)
        return 0;
    struct ls_entries entries;
    ls_keys_entries(keys, &entries);
    for (int64_t i = 0; i < entries.count && i < ls_shared_keys_room(keys); i++) {
        ls_object key = LS_POINTER(entries.first + (uint64_t)i * entries.stride, entries.key);
        ls_object stored = LS_POINTER(values + ls_python.at.values_items, (uintptr_t)i * 8);
        int matches = name != NULL ? stored != 0 && ls_text_equals(key, name) : stored == value;
        if (key != 0 && matches) {
            *found = stored;
            return key;
        }
    }
    return 0;
}

/* The member of a type, be it a slot or a field in C, that has a value, or else that has a name. */
static uintptr_t member_of(ls_object object, const struct ls_type *type, ls_object value,
                           const char *name) {
    for (ls_object base = type->address; base != 0; base = LS_POINTER(base, LS_TP_BASE)) {
        uintptr_t member = LS_POINTER(base, LS_TP_MEMBERS);
        for (; member != 0 && LS_POINTER(member, 0) != 0; member += MEMBER) {
            int32_t kind = LS_FIELD(int32_t, member, MEMBER_TYPE);
            int64_t offset = LS_FIELD(int64_t, member, MEMBER_OFFSET);
            if ((kind != IS_OBJECT && kind != IS_OBJECT_EX) || offset <= 0 ||
                (LS_FIELD(int32_t, member, MEMBER_FLAGS) & RELATIVE_OFFSET))
                continue;
            if (name != NULL ? strcmp((const char *)LS_POINTER(member, 0), name) == 0
                             : LS_POINTER(object, offset) == value)
                return member;
        }
    }
    return 0;
}

size_t ls_attribute_name(ls_object object, const struct ls_type *type, ls_object value, char *text,
                         size_t room) {
    ls_object found;
    ls_object key = inline_name(object, type, value, NULL, &found);
    if (key != 0)
        return ls_text_of(key, text, room);
    uintptr_t member = member_of(object, type, value, NULL);
    if (member == 0)
        return 0;
    const char *name = (const char *)LS_POINTER(member, 0);
    size_t length = strnlen(name, room);
    memcpy(text, name, length);
    return length;
}

ls_object ls_attribute_value(ls_object object, const struct ls_type *type, const char *name) {
    ls_object found = 0;
    if (inline_name(object, type, 0, name, &found) != 0)
        return found;
    found = ls_dict_value_of(ls_attribute_dict(object, type), name);
    if (found != 0)
        return found;
    uintptr_t member = member_of(object, type, 0, name);
    return member == 0 ? 0 : LS_POINTER(object, LS_FIELD(int64_t, member, MEMBER_OFFSET));
}

uint64_t ls_number_of(ls_object object) {
    enum { DIGITS = 24, DIGIT_BITS = 30, MOST_DIGITS = 3, SIGN_BITS = 3, NEGATIVE = 2 };
    if (ls_type_of(object)->kind != LS_KIND_INT)
        return UINT64_MAX;
    /* Until 3.11 the length has the value's sign; since then two bits below the length tell it. */
    int64_t length = LS_FIELD(int64_t, object, LS_OB_SIZE);
    int is_negative = length < 0;
    if (ls_python.at.minor >= 12) {
        is_negative = (length & SIGN_BITS) == NEGATIVE;
        length >>= 3;
    }
    if (is_negative || length > MOST_DIGITS)
        return UINT64_MAX;
    uint64_t value = 0, digit = 0;
    for (int64_t i = 0; i < length; i++) {
        digit = LS_FIELD(uint32_t, object, DIGITS + i * 4);
        value |= digit << (DIGIT_BITS * i);
    }
    return length == MOST_DIGITS && digit >> (64 - 2 * DIGIT_BITS) != 0 ? UINT64_MAX : value;
}

ls_object ls_thread_object(uint64_t ident) {
    ls_object module = ls_dict_value_of(ls_frozen.modules, "threading");
    if (module == 0 || !ls_visited_has(module))
        return 0;
    ls_object namespace = ls_attribute_dict(module, ls_type_of(module));
    ls_object active = namespace == 0 ? 0 : ls_dict_value_of(namespace, "_active");
    if (active == 0 || ls_type_of(active)->kind != LS_KIND_DICT)
        return 0;
    ls_object key, thread;
    intptr_t position = 0;
    while (ls_python.dict_next(active, &position, &key, &thread)) {
        if (ls_number_of(key) == ident)
            return thread;
    }
    return 0;
}
