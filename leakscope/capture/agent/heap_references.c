/* Every reference that an object holds. Child only; calls tp_traverse, which runs no Python code.
 *
 * tp_traverse leaves out what cannot be part of a cycle. For the collector that is right; for the
 * question who holds what it is not: a dict of a million str keys would weigh nothing. */
#include "heap.h"

static void visit_string_keys(uintptr_t keys, ls_visit visit, void *context) {
    struct ls_entries entries;
    ls_keys_entries(keys, &entries);
    if (!entries.strings)
        return;
    for (int64_t i = 0; i < entries.count; i++) {
        uintptr_t entry = entries.first + (uint64_t)i * entries.stride;
        visit(LS_POINTER(entry, entries.key), context);
    }
}

static void visit_dict(ls_object dict, ls_visit visit, void *context) {
    /* Keys of a split table belong to the table that many dicts share, not to this dict. */
    if (LS_POINTER(dict, LS_MA_VALUES) == 0)
        visit_string_keys(LS_POINTER(dict, LS_MA_KEYS), visit, context);
}

static void visit_fields(ls_object object, const uint16_t *offsets, size_t count, ls_visit visit,
                         void *context) {
    for (size_t i = 0; i < count; i++)
        if (offsets[i] != 0)
            visit(LS_POINTER(object, offsets[i]), context);
}

static void visit_code(ls_object code, ls_visit visit, void *context) {
    const struct ls_offsets *at = &ls_python.at;
    const uint16_t fields[] = {
        at->code_consts,   at->code_names,           at->code_varnames,        at->code_freevars,
        at->code_cellvars, at->code_localsplusnames, at->code_localspluskinds, at->code_filename,
        at->code_name,     at->code_qualname,        at->code_linetable,       at->code_exceptions,
        at->code_bytes,
    };
    visit_fields(code, fields, sizeof fields / sizeof fields[0], visit, context);
}

static void visit_type(ls_object type, ls_visit visit, void *context) {
    if (!(LS_FIELD(uint32_t, type, LS_TP_FLAGS) & LS_FLAG_HEAPTYPE)) {
        static const uint16_t fields[] = {LS_TP_DICT, LS_TP_BASES, LS_TP_MRO, LS_TP_BASE};
        visit_fields(type, fields, sizeof fields / sizeof fields[0], visit, context);
        return;
    }
    const struct ls_offsets *at = &ls_python.at;
    const uint16_t fields[] = {at->ht_name, at->ht_qualname, at->ht_slots};
    visit_fields(type, fields, sizeof fields / sizeof fields[0], visit, context);
    uintptr_t keys = LS_POINTER(type, at->ht_cached_keys);
    if (keys != 0)
        visit_string_keys(keys, visit, context);
}

const struct ls_type *volatile ls_traversed;
ls_object ls_interned_table;

struct search {
    ls_object wanted;
    int found;
};

static int look_for(ls_object referent, void *context) {
    struct search *search = context;
    search->found |= referent == search->wanted;
    return 0;
}

int ls_traverse_visits(ls_object object, const struct ls_type *type, ls_object wanted) {
    struct search search = {.wanted = wanted};
    ls_traversed = type;
    type->traverse(object, look_for, &search);
    ls_traversed = NULL;
    return search.found;
}

/* Before 3.13.3 an instance that has its values in itself does not tell of the dict that shows
 * them, which it holds nonetheless. */
static void visit_showing_dict(ls_object object, const struct ls_type *type, ls_visit visit,
                               void *context) {
    enum { MANAGED_DICT = -24 };
    uintptr_t values = ls_inline_values(object, type);
    ls_object dict = values == 0 ? 0 : LS_POINTER(object, MANAGED_DICT);
    if (dict != 0 && LS_POINTER(dict, LS_MA_VALUES) == values &&
        !ls_traverse_visits(object, type, dict))
        visit(dict, context);
}

int ls_has_references(const struct ls_type *type) {
    return (type->flags & (LS_FLAG_HAVE_GC | LS_FLAG_HEAPTYPE)) != 0 ||
           type->kind == LS_KIND_CODE || type->kind == LS_KIND_TYPE;
}

void ls_references(ls_object object, const struct ls_type *type, ls_visit visit,
                   struct ls_visitor *visitor) {
    visitor->type = type->address;
    visitor->type_seen = 0;
    if (object == ls_interned_table)
        return;
    if (type->traverse != NULL && ls_has_gc_header(object, type)) {
        ls_traversed = type;
        type->traverse(object, visit, visitor);
        if (ls_python.at.minor == 13 && (type->flags & LS_FLAG_INLINE_VALUES))
            visit_showing_dict(object, type, visit, visitor);
        ls_traversed = NULL;
    }
    switch (type->kind) {
    case LS_KIND_DICT:
    case LS_KIND_ODICT:
        visit_dict(object, visit, visitor);
        break;
    case LS_KIND_CODE:
        visit_code(object, visit, visitor);
        break;
    case LS_KIND_TYPE:
        visit_type(object, visit, visitor);
        break;
    case LS_KIND_GREENLET:
        ls_greenlet_calls(object, type, visit, visitor);
        break;
    default:
        break;
    }
    /* An object of a heap type holds a reference to it, whether its tp_traverse says so or not. */
    if ((type->flags & LS_FLAG_HEAPTYPE) && !visitor->type_seen)
        visit(type->address, visitor);
}
