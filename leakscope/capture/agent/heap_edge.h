/* Naming references: what the heap_edge*.c files share. Child only. */
#ifndef LEAKSCOPE_HEAP_EDGE_H
#define LEAKSCOPE_HEAP_EDGE_H

#include "heap_names.h"

/* Text as it grows; what does not fit is left out. */
struct ls_phrase {
    size_t length;
    char text[1500];
};

struct ls_edge {
    ls_object from, to;
    const struct ls_type *type; /* of `from` */
};

enum ls_context_kind {
    LS_CONTEXT_NONE,
    LS_CONTEXT_ATTRIBUTES, /* we are in the dict of an instance, module or class */
    LS_CONTEXT_CLOSURE,    /* in the tuple of cells of a function */
    LS_CONTEXT_VARIABLE,   /* in one of those cells */
    LS_CONTEXT_LOCAL,      /* in the cell of a local variable */
    LS_CONTEXT_DEFAULTS,
    LS_CONTEXT_KEYWORD_DEFAULTS,
    LS_CONTEXT_THREADS, /* in the dict that has a dict of attributes per thread */
    LS_CONTEXT_INSIDE,  /* in a part that is told with `prefix` */
};

/* What the references before this one say about it. */
struct ls_context {
    enum ls_context_kind kind, next;
    ls_object code;
    uint32_t index;
    char prefix[16];
};

void ls_put(struct ls_phrase *phrase, const char *text);
void ls_put_number(struct ls_phrase *phrase, uint64_t number);
void ls_put_key(struct ls_phrase *phrase, ls_object key);

/* Name one reference into `phrase` (empty: `to` is only a part of `from`) and step `context` on. */
void ls_name_edge(const struct ls_edge *edge, struct ls_context *context, struct ls_phrase *phrase);

/* heap_edge_types.c: references of types that say nothing of their fields. Returns whether the
 * reference is named (or is to a part). */
int ls_name_in_extension(const struct ls_edge *edge, struct ls_context *context,
                         struct ls_phrase *phrase);
/* Whether `type` is the extension type of this name or inherits from it. */
int ls_is_extension(ls_object type, const char *name);

#endif
