/* References of builtin and extension types that do not list their fields. Child only.
 *
 * Fields are told by where they are; all of these have stood still from 3.9 to 3.15, except where a
 * version is asked for. */
#include "heap_edge.h"

#include <string.h>

struct field {
    uint16_t offset;
    const char *name; /* empty: only a part */
};

int ls_is_extension(ls_object type, const char *name) {
    for (ls_object base = type; base != 0; base = LS_POINTER(base, LS_TP_BASE))
        if (LS_POINTER(base, LS_TP_METHODS) != 0 &&
            strcmp((const char *)LS_POINTER(base, LS_TP_NAME), name) == 0)
            return 1;
    return 0;
}

/* Whether a type has this name, with its module or (before 3.10, some) without. */
static int has_name(ls_object type, const char *name) {
    const char *own = (const char *)LS_POINTER(type, LS_TP_NAME), *dot = strrchr(name, '.');
    return strcmp(own, name) == 0 || (dot != NULL && strcmp(own, dot + 1) == 0);
}

static int inherits_from(ls_object type, const char *name) {
    for (ls_object base = type; base != 0; base = LS_POINTER(base, LS_TP_BASE))
        if (has_name(base, name))
            return 1;
    return 0;
}

static int name_field(const struct ls_edge *edge, const struct field *fields, size_t count,
                      struct ls_phrase *phrase) {
    for (size_t i = 0; i < count; i++)
        if (LS_POINTER(edge->from, fields[i].offset) == edge->to) {
            ls_put(phrase, fields[i].name);
            return 1;
        }
    return 0;
}

#define NAME_FIELD(edge, fields, phrase)                                                           \
    name_field(edge, fields, sizeof(fields) / sizeof((fields)[0]), phrase)

static int name_in_exception(const struct ls_edge *edge, struct ls_phrase *phrase) {
    static const struct field old[] = {
        {24, ".args"}, {32, ".__traceback__"}, {40, ".__context__"}, {48, ".__cause__"}};
    static const struct field with_notes[] = {
        {24, ".args"}, {40, ".__traceback__"}, {48, ".__context__"}, {56, ".__cause__"}};
    return ls_python.at.minor <= 10 ? NAME_FIELD(edge, old, phrase)
                                    : NAME_FIELD(edge, with_notes, phrase);
}

static int name_in_future(const struct ls_edge *edge, struct ls_phrase *phrase) {
    static const struct field fields[] = {{16, ".loop"},
                                          {24, "done callback"},
                                          {32, "context of done callback"},
                                          {40, "done callbacks"},
                                          {48, "exception"}};
    /* A traceback came before the result in the course of 3.10. */
    static const struct field result[] = {{56, "result"}, {64, "result"}};
    if (ls_type_of(edge->to)->kind == LS_KIND_GENERATOR) {
        ls_put(phrase, "coroutine");
        return 1;
    }
    if (NAME_FIELD(edge, fields, phrase))
        return 1;
    return NAME_FIELD(edge, result, phrase);
}

static int is_visited(ls_object object) { return ls_plausible(object) && ls_visited_has(object); }

/* What a closure variable of a function holds, 0 if it has none of that name. */
static ls_object closure_value(ls_object function, const char *name) {
    enum { CELL_CONTENT = 16 };
    ls_object cells = LS_POINTER(function, ls_python.at.function_closure);
    ls_object code = LS_POINTER(function, ls_python.at.function_code);
    if (!is_visited(cells) || !is_visited(code))
        return 0;
    uint64_t count = LS_FIELD(uint64_t, cells, LS_OB_SIZE);
    for (uint32_t i = 0; i < count; i++) {
        char text[16];
        ls_object cell = LS_POINTER(cells + ls_python.at.tuple_items, (uintptr_t)i * 8);
        size_t length = ls_free_variable_name(code, i, text, sizeof text);
        if (length == strlen(name) && memcmp(text, name, length) == 0 && is_visited(cell) &&
            ls_type_of(cell)->address == ls_python.cell_type)
            return LS_POINTER(cell, CELL_CONTENT);
    }
    return 0;
}

/* How many entries a function's cache takes, as the function beside it would tell that
 * `functools.lru_cache` puts there; UINT64_MAX if there is no bound or nothing tells. */
static uint64_t bound_of_cache(ls_object cache, const struct ls_type *type) {
    ls_object names = ls_attribute_dict(cache, type);
    ls_object teller = names == 0 ? 0 : ls_dict_value_of(names, "cache_parameters");
    if (!is_visited(teller) || ls_type_of(teller)->address != ls_python.function_type)
        return UINT64_MAX;
    ls_object bound = closure_value(teller, "maxsize");
    return is_visited(bound) ? ls_number_of(bound) : UINT64_MAX;
}

static int name_in_lru_cache(const struct ls_edge *edge, struct ls_phrase *phrase) {
    if (ls_type_of(edge->to)->kind != LS_KIND_DICT) {
        ls_put(phrase, "lru_cache entry");
        return 1;
    }
    uint64_t bound = bound_of_cache(edge->from, edge->type);
    ls_put(phrase, "lru_cache entries");
    if (bound != UINT64_MAX) {
        ls_put(phrase, " (at most ");
        ls_put_number(phrase, bound);
        ls_put(phrase, ")");
    }
    return 1;
}

static int name_context_variable(ls_object key, struct ls_phrase *phrase) {
    enum { NAME = 16 };
    if (!ls_plausible(key) || !has_name(LS_POINTER(key, LS_OB_TYPE), "_contextvars.ContextVar"))
        return 0;
    ls_put(phrase, "contextvar ");
    size_t room = sizeof phrase->text - phrase->length;
    phrase->length += ls_text_of(LS_POINTER(key, NAME), phrase->text + phrase->length, room);
    return 1;
}

/* A context keeps its variables in a tree of nodes; leaves are pairs of key and value. */
static int name_in_context_node(const struct ls_edge *edge, struct ls_phrase *phrase) {
    enum { PAIRS = 32 };
    uint64_t count = LS_FIELD(uint64_t, edge->from, LS_OB_SIZE);
    for (uint64_t i = 0; i + 1 < count; i += 2)
        if (LS_POINTER(edge->from + PAIRS, (i + 1) * 8) == edge->to) {
            ls_object key = LS_POINTER(edge->from + PAIRS, i * 8);
            return key == 0 || name_context_variable(key, phrase);
        }
    return 0;
}

static int name_in_named_type(const struct ls_edge *edge, struct ls_phrase *phrase) {
    ls_object type = edge->type->address;
    if (has_name(type, "_contextvars.Context") || has_name(type, "hamt") ||
        has_name(type, "hamt_array_node"))
        return 1;
    if (has_name(type, "hamt_bitmap_node") || has_name(type, "hamt_collision_node"))
        return name_in_context_node(edge, phrase);
    if (has_name(type, "functools._lru_cache_wrapper"))
        return name_in_lru_cache(edge, phrase);
    if (has_name(type, "_contextvars.ContextVar")) {
        static const struct field fields[] = {{24, ".default"}};
        return NAME_FIELD(edge, fields, phrase);
    }
    if (has_name(type, "traceback")) {
        static const struct field fields[] = {{16, ".tb_next"}, {24, ".tb_frame"}};
        return NAME_FIELD(edge, fields, phrase);
    }
    if (has_name(type, "mappingproxy")) {
        static const struct field fields[] = {{16, ""}};
        return NAME_FIELD(edge, fields, phrase);
    }
    if (has_name(type, "_thread._localdummy")) {
        static const struct field fields[] = {{16, ""}};
        return NAME_FIELD(edge, fields, phrase);
    }
    return 0;
}

static int name_in_type(const struct ls_edge *edge, struct ls_phrase *phrase) {
    static const struct field fields[] = {
        {LS_TP_BASE, ".__base__"}, {LS_TP_BASES, ".__bases__"}, {LS_TP_MRO, ".__mro__"}};
    return NAME_FIELD(edge, fields, phrase);
}

int ls_name_in_extension(const struct ls_edge *edge, struct ls_context *context,
                         struct ls_phrase *phrase) {
    enum { BASE_EXCEPTION = 1 << 30 };
    static const struct field of_function[] = {{24, ".__self__"}, {32, ".__module__"}};
    static const struct field of_weakref[] = {{24, ".__callback__"}};
    ls_object type = edge->type->address;
    if (edge->type->flags & BASE_EXCEPTION)
        return name_in_exception(edge, phrase);
    if (edge->type->kind == LS_KIND_TYPE)
        return name_in_type(edge, phrase);
    if (type == ls_python.cfunction_type)
        return NAME_FIELD(edge, of_function, phrase);
    if (type == ls_python.weakref_type)
        return NAME_FIELD(edge, of_weakref, phrase);
    if (ls_is_extension(type, "_asyncio.Future") || ls_is_extension(type, "_asyncio.Task"))
        return name_in_future(edge, phrase);
    if (has_name(type, "mappingproxy") || has_name(type, "_thread._localdummy"))
        context->next = LS_CONTEXT_ATTRIBUTES;
    if (ls_type_of(edge->to)->kind == LS_KIND_DICT && inherits_from(type, "_thread._local")) {
        context->next = LS_CONTEXT_THREADS;
        return 1;
    }
    return name_in_named_type(edge, phrase);
}
