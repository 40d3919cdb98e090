/* What a reference from one object to another is called. Child only; reads, runs nothing.
 *
 * Some objects are only part of how another is made (the `__dict__` of an instance, the cell of a
 * closure variable): a reference to them has an empty name, and leaves a context that helps to name
 * the next. Values are never told; keys only when they look like names. */
#include "heap_edge.h"

#include <string.h>

enum { LONGEST_KEY = 40, NAME_ROOM = 300 };

/* ---- Composing text */

void ls_put(struct ls_phrase *phrase, const char *text) {
    size_t length = strlen(text), room = sizeof phrase->text - phrase->length;
    length = length < room ? length : room;
    memcpy(phrase->text + phrase->length, text, length);
    phrase->length += length;
}

void ls_put_number(struct ls_phrase *phrase, uint64_t number) {
    char digits[21];
    size_t at = sizeof digits - 1;
    digits[at] = 0;
    do
        digits[--at] = (char)('0' + number % 10);
    while ((number /= 10) != 0);
    ls_put(phrase, digits + at);
}

static char *rest_of(struct ls_phrase *phrase, size_t *room) {
    *room = sizeof phrase->text - phrase->length;
    return phrase->text + phrase->length;
}

static void put_text(struct ls_phrase *phrase, ls_object text) {
    size_t room;
    char *at = rest_of(phrase, &room);
    phrase->length += ls_text_of(text, at, room < NAME_ROOM ? room : NAME_ROOM);
}

static void put_function(struct ls_phrase *phrase, ls_object code) {
    size_t room;
    char *at = rest_of(phrase, &room);
    phrase->length += ls_function_name(code, at, room < NAME_ROOM ? room : NAME_ROOM);
}

static void put_type(struct ls_phrase *phrase, ls_object type) {
    size_t room;
    char *at = rest_of(phrase, &room);
    phrase->length += ls_type_name(type, at, room < NAME_ROOM ? room : NAME_ROOM);
}

/* `local x of f`, `closure variable x of f`. */
static void put_variable(struct ls_phrase *phrase, const char *what, ls_object code, uint32_t index,
                         int is_free) {
    size_t room;
    ls_put(phrase, what);
    char *at = rest_of(phrase, &room);
    phrase->length += is_free ? ls_free_variable_name(code, index, at, room)
                              : ls_local_name(code, index, at, room);
    ls_put(phrase, " of ");
    put_function(phrase, code);
}

/* ---- Keys */

static int looks_like_a_name(ls_object key) {
    char text[LONGEST_KEY + 1];
    size_t length = ls_text_of(key, text, sizeof text);
    if (length == 0 || length > LONGEST_KEY || (size_t)ls_text_length(key) != length)
        return 0;
    for (size_t i = 0; i < length; i++) {
        char c = text[i];
        int letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
        int inner = (c >= '0' && c <= '9') || c == '.' || c == '-';
        if (!letter && !(inner && (i > 0 || c == '.' || c == '-')))
            return 0;
    }
    return 1;
}

void ls_put_key(struct ls_phrase *phrase, ls_object key) {
    const struct ls_type *type = ls_type_of(key);
    int is_text = type->kind == LS_KIND_STR && (type->flags & LS_FLAG_UNICODE);
    if (is_text && looks_like_a_name(key)) {
        ls_put(phrase, "'");
        put_text(phrase, key);
        ls_put(phrase, "'");
        return;
    }
    ls_put(phrase, "<");
    if (is_text)
        ls_put(phrase, "str");
    else if (type->flags & LS_FLAG_BYTES)
        ls_put(phrase, "bytes");
    else if (type->flags & LS_FLAG_TUPLE)
        ls_put(phrase, "tuple");
    else
        put_type(phrase, type->address);
    if (is_text || (type->flags & (LS_FLAG_BYTES | LS_FLAG_TUPLE))) {
        ls_put(phrase, " len ");
        ls_put_number(phrase, LS_FIELD(uint64_t, key, LS_OB_SIZE));
    }
    ls_put(phrase, ">");
}

/* ---- Containers */

static int name_in_dict(const struct ls_edge *edge, struct ls_context *context,
                        struct ls_phrase *phrase) {
    ls_object key = ls_dict_key_of(edge->from, edge->to);
    enum ls_context_kind kind = context->kind;
    if (key == 0) {
        ls_object value;
        intptr_t position = 0;
        while (ls_python.dict_next(edge->from, &position, &key, &value))
            if (key == edge->to) {
                ls_put(phrase, "<key>");
                return 1;
            }
        return 0;
    }
    int is_text = ls_type_of(key)->kind == LS_KIND_STR;
    if (kind == LS_CONTEXT_THREADS) {
        context->next = LS_CONTEXT_ATTRIBUTES;
        return 1;
    }
    if (kind == LS_CONTEXT_ATTRIBUTES && is_text) {
        ls_put(phrase, ".");
        put_text(phrase, key);
    } else if (kind == LS_CONTEXT_KEYWORD_DEFAULTS && is_text) {
        ls_put(phrase, "default of ");
        put_text(phrase, key);
        ls_put(phrase, " in ");
        put_function(phrase, context->code);
    } else {
        if (kind == LS_CONTEXT_INSIDE)
            ls_put(phrase, context->prefix);
        ls_put(phrase, "[");
        ls_put_key(phrase, key);
        ls_put(phrase, "]");
    }
    return 1;
}

static int64_t index_in_items(uintptr_t items, int64_t count, ls_object wanted) {
    for (int64_t i = 0; i < count; i++)
        if (LS_POINTER(items, (uintptr_t)i * sizeof items) == wanted)
            return i;
    return -1;
}

static int64_t index_in_deque(ls_object deque, ls_object wanted) {
    enum { LEFT_BLOCK = 24, LEFT_INDEX = 40, ITEMS = 8, PER_BLOCK = 64, RIGHT_LINK = 520 };
    uintptr_t block = LS_POINTER(deque, LEFT_BLOCK);
    int64_t at = LS_FIELD(int64_t, deque, LEFT_INDEX),
            count = ls_length_of(deque, ls_type_of(deque));
    for (int64_t i = 0; i < count && block != 0; i++) {
        if (LS_POINTER(block + ITEMS, (uintptr_t)at * sizeof block) == wanted)
            return i;
        if (++at == PER_BLOCK) {
            block = LS_POINTER(block, RIGHT_LINK);
            at = 0;
        }
    }
    return -1;
}

/* The name of a field of a named tuple. */
static int put_field(struct ls_phrase *phrase, ls_object type, int64_t index) {
    for (ls_object base = type; base != 0; base = LS_POINTER(base, LS_TP_BASE)) {
        if (!(LS_FIELD(uint32_t, base, LS_TP_FLAGS) & LS_FLAG_HEAPTYPE))
            continue;
        ls_object fields = ls_dict_value_of(LS_POINTER(base, LS_TP_DICT), "_fields");
        if (fields == 0 || !(ls_type_of(fields)->flags & LS_FLAG_TUPLE) ||
            index >= LS_FIELD(int64_t, fields, LS_OB_SIZE))
            continue;
        ls_put(phrase, ".");
        put_text(phrase, LS_POINTER(fields + ls_python.at.tuple_items, (uintptr_t)index * 8));
        return 1;
    }
    return 0;
}

static int name_in_sequence(const struct ls_edge *edge, struct ls_context *context,
                            struct ls_phrase *phrase) {
    int64_t index, count = LS_FIELD(int64_t, edge->from, LS_OB_SIZE);
    if (edge->type->kind == LS_KIND_LIST)
        index = index_in_items(LS_POINTER(edge->from, LS_LIST_ITEMS), count, edge->to);
    else if (edge->type->kind == LS_KIND_DEQUE)
        index = index_in_deque(edge->from, edge->to);
    else
        index = index_in_items(edge->from + ls_python.at.tuple_items, count, edge->to);
    if (index < 0)
        return 0;
    if (context->kind == LS_CONTEXT_CLOSURE) {
        context->next = LS_CONTEXT_VARIABLE;
        context->index = (uint32_t)index;
        return 1;
    }
    if (context->kind == LS_CONTEXT_DEFAULTS) {
        ls_put(phrase, "default argument of ");
        put_function(phrase, context->code);
        return 1;
    }
    if ((edge->type->flags & LS_FLAG_TUPLE) && put_field(phrase, edge->type->address, index))
        return 1;
    if (context->kind == LS_CONTEXT_INSIDE)
        ls_put(phrase, context->prefix);
    ls_put(phrase, "[");
    ls_put_number(phrase, (uint64_t)index);
    ls_put(phrase, "]");
    return 1;
}

static int name_in_set(const struct ls_edge *edge, struct ls_phrase *phrase) {
    enum { ENTRY = 16 };
    uintptr_t table = LS_POINTER(edge->from, LS_SET_TABLE);
    uint64_t count = LS_FIELD(uint64_t, edge->from, LS_SET_MASK) + 1;
    for (uint64_t i = 0; i < count; i++)
        if (LS_POINTER(table, i * ENTRY) == edge->to) {
            ls_put(phrase, "<element>");
            return 1;
        }
    return 0;
}

/* ---- Code */

static int name_in_function(const struct ls_edge *edge, struct ls_context *context) {
    const struct ls_offsets *at = &ls_python.at;
    const struct {
        uint16_t field;
        enum ls_context_kind context;
    } parts[] = {{at->function_closure, LS_CONTEXT_CLOSURE},
                 {at->function_defaults, LS_CONTEXT_DEFAULTS},
                 {at->function_kwdefaults, LS_CONTEXT_KEYWORD_DEFAULTS},
                 {at->function_dict, LS_CONTEXT_ATTRIBUTES}};
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++)
        if (LS_POINTER(edge->from, parts[i].field) == edge->to) {
            context->next = parts[i].context;
            context->code = LS_POINTER(edge->from, at->function_code);
            return 1;
        }
    return 0;
}

static int name_local(const struct ls_edge *edge, const struct ls_call *call,
                      struct ls_context *context, struct ls_phrase *phrase) {
    for (uint32_t i = 0; i < call->count; i++) {
        if (ls_call_local(call, i) != edge->to)
            continue;
        if (ls_type_of(edge->to)->address == ls_python.cell_type) {
            context->next = LS_CONTEXT_LOCAL;
            context->index = i;
            context->code = call->code;
        } else {
            put_variable(phrase, "local ", call->code, i, 0);
        }
        return 1;
    }
    return 0;
}

static int name_in_call(const struct ls_edge *edge, struct ls_context *context,
                        struct ls_phrase *phrase) {
    struct ls_call call;
    if (edge->type->kind == LS_KIND_GENERATOR && ls_type_of(edge->to)->kind == LS_KIND_FRAME)
        return 1; /* its frame is only part of it */
    if (!ls_call_of(edge->from, edge->type, &call))
        return 0;
    if (name_local(edge, &call, context, phrase))
        return 1;
    if (ls_type_of(edge->to)->kind == LS_KIND_CODE)
        return 0;
    int is_caller =
        edge->type->kind == LS_KIND_FRAME && ls_type_of(edge->to)->kind == LS_KIND_FRAME;
    ls_put(phrase, is_caller ? "caller of " : "awaited by ");
    put_function(phrase, call.code);
    return 1;
}

/* What its suspended calls have in variables; their frames are only part of it. */
static int name_in_greenlet(const struct ls_edge *edge, struct ls_context *context,
                            struct ls_phrase *phrase) {
    if (ls_type_of(edge->to)->kind == LS_KIND_FRAME)
        return 1;
    struct ls_call call;
    uintptr_t frame = ls_greenlet_frame(edge->from, edge->type);
    for (; frame != 0; frame = ls_greenlet_frame_before(frame))
        if (ls_call_of_frame(frame, &call) && name_local(edge, &call, context, phrase))
            return 1;
    if (ls_type_of(edge->to)->kind != LS_KIND_GENERATOR ||
        !ls_call_of(edge->to, ls_type_of(edge->to), &call))
        return 0;
    ls_put(phrase, "call of ");
    put_function(phrase, call.code);
    return 1;
}

static void name_in_cell(const struct ls_context *context, struct ls_phrase *phrase) {
    if (context->kind == LS_CONTEXT_VARIABLE)
        put_variable(phrase, "closure variable ", context->code, context->index, 1);
    else if (context->kind == LS_CONTEXT_LOCAL)
        put_variable(phrase, "local ", context->code, context->index, 0);
    else
        ls_put(phrase, "<cell>");
}

/* ---- All of it */

static int name_in_instance(const struct ls_edge *edge, struct ls_context *context,
                            struct ls_phrase *phrase) {
    char name[NAME_ROOM + 1];
    size_t length = ls_attribute_name(edge->from, edge->type, edge->to, name, NAME_ROOM);
    if (length == 0)
        return ls_name_in_extension(edge, context, phrase);
    name[length] = 0;
    context->prefix[0] = 0;
    int is_partial = edge->type->flags & LS_FLAG_HAVE_GC &&
                     (strcmp(name, "args") == 0 || strcmp(name, "keywords") == 0) &&
                     ls_is_extension(edge->type->address, "functools.partial");
    ls_put(phrase, ".");
    ls_put(phrase, name);
    if (is_partial) {
        memcpy(context->prefix, phrase->text, phrase->length);
        context->prefix[phrase->length] = 0;
        context->next = LS_CONTEXT_INSIDE;
        phrase->length = 0;
    }
    return 1;
}

static int name_in_container(const struct ls_edge *edge, struct ls_context *context,
                             struct ls_phrase *phrase) {
    switch (edge->type->kind) {
    case LS_KIND_DICT:
    case LS_KIND_ODICT:
        return name_in_dict(edge, context, phrase);
    case LS_KIND_LIST:
    case LS_KIND_DEQUE:
        return name_in_sequence(edge, context, phrase);
    case LS_KIND_SET:
        return name_in_set(edge, phrase);
    default:
        return (edge->type->flags & LS_FLAG_TUPLE) != 0 && name_in_sequence(edge, context, phrase);
    }
}

void ls_name_edge(const struct ls_edge *edge, struct ls_context *context,
                  struct ls_phrase *phrase) {
    phrase->length = 0;
    context->next = LS_CONTEXT_NONE;
    int named = 0;
    if (edge->to == edge->type->address) {
        ls_put(phrase, ".__class__");
        named = 1;
    } else if (edge->type->address == ls_python.cell_type) {
        name_in_cell(context, phrase);
        named = 1;
    } else if (edge->type->kind == LS_KIND_GENERATOR || edge->type->kind == LS_KIND_FRAME) {
        named = name_in_call(edge, context, phrase);
    } else if (edge->type->kind == LS_KIND_GREENLET) {
        named = name_in_greenlet(edge, context, phrase);
    } else if (edge->type->address == ls_python.function_type) {
        named = name_in_function(edge, context);
    }
    if (!named && ls_attribute_dict(edge->from, edge->type) == edge->to) {
        context->next = LS_CONTEXT_ATTRIBUTES;
        named = 1;
    }
    if (!named)
        named = name_in_container(edge, context, phrase);
    if (!named)
        named = name_in_instance(edge, context, phrase);
    if (!named)
        ls_put(phrase, "<reference>");
    context->kind = context->next;
}
