/* The frozen heap: what the heap_*.c files share.
 *
 * Two worlds. The *parent* is the target: heap_fork.c and heap_layout.c run there, on the agent's
 * own thread, and take the GIL for the clone alone. The *child* is a frozen copy that never goes
 * back to the interpreter: everything else runs there. In the child nothing may call malloc or
 * stdio, take a lock, touch a reference count (but see heap_greenlets.c) or enter the eval loop;
 * memory comes from ls_map.
 *
 * No Python header is used: addresses are plain uintptr_t and fields are read by offset. */
#ifndef LEAKSCOPE_HEAP_H
#define LEAKSCOPE_HEAP_H

#include <stddef.h>
#include <stdint.h>

typedef uintptr_t ls_object;
typedef int (*ls_visit)(ls_object referent, void *context);
typedef int (*ls_traverse)(ls_object object, ls_visit visit, void *context);
typedef ls_object (*ls_getter)(ls_object object, void *closure);

#define LS_FIELD(type, object, offset) (*(type *)((object) + (uintptr_t)(offset)))
#define LS_POINTER(object, offset) LS_FIELD(uintptr_t, object, offset)

/* Fields that have stood still from 3.9 to 3.15 (checked against the headers by the tests). */
enum {
    LS_OB_TYPE = 8,
    LS_OB_SIZE = 16,
    LS_TP_NAME = 24,
    LS_TP_BASICSIZE = 32,
    LS_TP_ITEMSIZE = 40,
    LS_TP_FLAGS = 168,
    LS_TP_TRAVERSE = 184,
    LS_TP_METHODS = 232,
    LS_TP_MEMBERS = 240,
    LS_TP_GETSET = 248,
    LS_TP_BASE = 256,
    LS_TP_DICT = 264,
    LS_TP_DICTOFFSET = 288,
    LS_TP_IS_GC = 328,
    LS_TP_BASES = 336,
    LS_TP_MRO = 344,
    LS_MA_USED = 16,
    LS_MA_KEYS = 32,
    LS_MA_VALUES = 40,
    LS_LIST_ITEMS = 24,
    LS_LIST_ALLOCATED = 32,
    LS_SET_USED = 24,
    LS_SET_MASK = 32,
    LS_SET_TABLE = 40,
    LS_SET_SMALL_TABLE = 64,
    LS_STR_LENGTH = 16,
    LS_STR_STATE = 32,
    LS_BYTES_START = 32,
};

enum {
    LS_FLAG_INLINE_VALUES = 1u << 2,
    LS_FLAG_MANAGED_WEAKREF = 1u << 3,
    LS_FLAG_MANAGED_DICT = 1u << 4,
    LS_FLAG_HEAPTYPE = 1u << 9,
    LS_FLAG_HAVE_GC = 1u << 14,
    LS_FLAG_LONG = 1u << 24,
    LS_FLAG_LIST = 1u << 25,
    LS_FLAG_TUPLE = 1u << 26,
    LS_FLAG_BYTES = 1u << 27,
    LS_FLAG_UNICODE = 1u << 28,
    LS_FLAG_DICT = 1u << 29,
    LS_FLAG_TYPE = 1u << 31,
};

/* ---- heap_layout.c: what this interpreter looks like */

/* Field offsets that differ between minor versions. 0 means: this version has no such field. */
struct ls_offsets {
    uint16_t minor;
    uint16_t gc_permanent; /* from the head of the young generation */
    uint16_t ht_name, ht_slots, ht_qualname, ht_cached_keys, heap_type_size, static_type_size;
    uint16_t str_ascii_size, str_compact_size, str_legacy_size;
    uint16_t tuple_items;
    uint16_t keys_usable, keys_nentries, keys_indices;
    uint16_t values_items; /* from a PyDictValues to its first value */
    uint16_t function_name, function_globals, function_code, function_defaults;
    uint16_t function_kwdefaults, function_closure, function_dict;
    uint16_t code_name, code_qualname, code_filename, code_first_line, code_stacksize;
    uint16_t code_consts, code_names, code_varnames, code_freevars, code_cellvars, code_nlocals;
    uint16_t code_localsplusnames, code_localspluskinds, code_nlocalsplus, code_linetable;
    uint16_t code_bytes; /* co_code where it is an object of its own */
    uint16_t code_start; /* co_code_adaptive where it is not */
    uint16_t code_exceptions;
    uint16_t gen_frame; /* gi_frame (3.9, 3.10) or gi_iframe */
    uint16_t gen_name;
    uint16_t frameobject_frame; /* 3.11+: the interpreter frame behind a frame object */
    uint16_t frame_back, frame_code;
    uint16_t frame_function, frame_locals_dict, frame_object; /* 3.11+ */
    uint16_t frame_locals;                                    /* f_localsplus or localsplus */
    uint16_t frame_owner, frame_instruction;
    uint16_t thread_frame, thread_id, thread_native_id, thread_dict, thread_context;
    uint16_t cframe_frame; /* 3.11, 3.12: one hop more from the thread to its frame */
};

struct ls_python {
    struct ls_offsets at;
    uint32_t version;         /* 0x030c0100 for 3.12.1 */
    uintptr_t general_lookup; /* 3.9, 3.10: dk_lookup of a dict that has other keys than str */
    void *(*list_new)(intptr_t);
    void *(*dict_new)(void);
    int (*dict_set)(void *, void *, void *);
    int (*dict_next)(ls_object, intptr_t *, ls_object *, ls_object *);
    void (*decref)(void *);
    void (*error_set)(void *);
    void (*error_clear)(void);
    void *(*modules)(void);
    void *(*interpreter)(void);
    void *(*first_thread)(void *);
    void *(*next_thread)(void *);
    void *(*current_thread)(void);   /* with the GIL */
    void *(*thread_of_caller)(void); /* without it; NULL for a thread that Python does not know */
    void *malloc_figures;            /* glibc's mallinfo2, NULL where there is none */
    int (*collects)(void);           /* whether the collector is on; NULL on 3.9 */
    int (*gil_ensure)(void);
    void (*gil_release)(int);
    ls_object set_type, frozenset_type, bytearray_type, odict_type, frame_type, gen_type, coro_type,
        asyncgen_type, code_type, module_type, function_type, cell_type, method_type, none,
        cfunction_type, member_type, dict_type, type_type, frozendict_type, weakref_type;
    uintptr_t image_start, image_end; /* where the interpreter itself is loaded */
};

extern struct ls_python ls_python;

enum ls_failure {
    LS_OK = 0,
    LS_FAIL_SYMBOL,      /* a function of the interpreter is not there */
    LS_FAIL_VERSION,     /* not a CPython 3.9 to 3.15 with a GIL */
    LS_FAIL_GENERATIONS, /* the collector's lists could not be recognised */
    LS_FAIL_SOCKET,
    LS_FAIL_CLONE,
    LS_FAIL_BUSY,       /* a frozen copy is there already */
    LS_FAIL_MEMORY,     /* the child got no memory, or used up its budget */
    LS_FAIL_LIST,       /* a generation list is broken */
    LS_FAIL_UNSTABLE,   /* two traversals of the frozen heap disagreed */
    LS_FAIL_REQUEST,    /* a request was malformed */
    LS_FAIL_FINALIZING, /* the interpreter is on its way down, or not up yet */
    LS_FAIL_OBJECT,     /* what is referred to as an object is none */
    LS_FAIL_CRASH,      /* a signal ended the child */
    LS_FAIL_TIME,       /* the child's time was up */
};

/* Parent, GIL held. Fills ls_python once; later calls return at once. */
enum ls_failure ls_layout_prepare(void);

/* A symbol of the process, NULL if it has none of that name. Any thread. */
void *ls_symbol(const char *name);

#define LS_GENERATIONS 4 /* three and the permanent one */

/* Parent, GIL held. Finds the heads of the collector's lists without running the collector. */
enum ls_failure ls_generations_find(uintptr_t heads[LS_GENERATIONS]);

/* ---- heap_memory.c: memory, the visited set and the work list of the child */

/* Zeroed pages, or the child ends with LS_FAIL_MEMORY. `bytes` counts against the budget. */
void *ls_map(size_t bytes);
void ls_memory_limit(uint64_t bytes);
uint64_t ls_memory_used(void);

#define LS_REGION_SHIFT 21 /* one leaf of the visited set covers 2 MiB of address space */
#define LS_LEAF_WORDS (1u << (LS_REGION_SHIFT - 3 - 6))
#define LS_LEAF_BLOCKS (LS_LEAF_WORDS / 8)

struct ls_leaf {
    uint64_t bits[LS_LEAF_WORDS];  /* one bit per 8 bytes of address space */
    uint32_t rank[LS_LEAF_BLOCKS]; /* objects below each block of 512 bits */
    uintptr_t region;              /* address >> LS_REGION_SHIFT */
};

/* Whether `address` can be that of an object at all. */
static inline int ls_plausible(uintptr_t address) {
    return address != 0 && (address & 7) == 0 && (address >> 47) == 0;
}

/* Visit what can be an object at all. */
static inline void ls_visit_plausible(ls_object object, ls_visit visit, void *context) {
    if (ls_plausible(object))
        visit(object, context);
}

/* Whether so many bytes from an address on can be read, for addresses that may be wrong. */
int ls_readable(uintptr_t address, size_t bytes);

/* Whether the walk has met an object there. */
int ls_is_object(uintptr_t address);
/* Remember a plausible address; returns 1 if it was new. */
int ls_visited_add(uintptr_t address);
/* Whether a plausible address was added. */
int ls_visited_has(uintptr_t address);
/* After the last add: number all addresses in ascending order. Returns how many there are. */
uint64_t ls_visited_number(void);
/* The number of an address that was added. Of any other address the child ends with
 * LS_FAIL_UNSTABLE: a second traversal came by what the first did not. */
uint32_t ls_visited_rank(uintptr_t address);
/* Leaves in ascending order; `cursor` starts at 0; NULL at the end. */
struct ls_leaf *ls_visited_next(uint64_t *cursor);
/* Visit every address that was added, in ascending order. */
static inline void ls_visited_each(void (*visit)(uintptr_t address, void *context), void *context) {
    uint64_t cursor = 0;
    for (struct ls_leaf *leaf; (leaf = ls_visited_next(&cursor)) != NULL;)
        for (uint32_t word = 0; word < LS_LEAF_WORDS; word++)
            for (uint64_t bits = leaf->bits[word]; bits != 0; bits &= bits - 1) {
                uint32_t bit = word * 64 + (uint32_t)__builtin_ctzll(bits);
                visit((leaf->region << LS_REGION_SHIFT) + (uintptr_t)bit * 8, context);
            }
}

void ls_pending_push(ls_object object);
int ls_pending_pop(ls_object *object);

/* ---- heap_types.c: one record per type */

enum ls_kind {
    LS_KIND_PLAIN,
    LS_KIND_INT,
    LS_KIND_STR,
    LS_KIND_LIST,
    LS_KIND_DICT,
    LS_KIND_ODICT,
    LS_KIND_SET,
    LS_KIND_BYTEARRAY,
    LS_KIND_DEQUE,
    LS_KIND_ARRAY,
    LS_KIND_TYPE,
    LS_KIND_GENERATOR,
    LS_KIND_FRAME,
    LS_KIND_CODE,
    LS_KIND_NDARRAY,
    LS_KIND_BUFFERED,
    LS_KIND_BYTESIO,
    LS_KIND_ELEMENT,
    LS_KIND_DESCRIPTOR,
    LS_KIND_MMAP,
    LS_KIND_GREENLET,
};

struct ls_type {
    ls_object address;
    ls_traverse traverse;
    int (*is_gc)(ls_object);
    ls_getter frame_getter; /* of greenlets, NULL of all else */
    uint32_t flags;         /* tp_flags, the lower half */
    uint32_t index;         /* in order of discovery */
    enum ls_kind kind;
    int64_t basic_size, item_size;
    uint64_t objects, bytes;
};

/* The type of an object; the child ends with LS_FAIL_OBJECT if what is there cannot be one. */
struct ls_type *ls_type_of(ls_object object);
struct ls_type *ls_type_at(uint32_t index);
uint32_t ls_type_count(void);
/* The collector has a header before this object (which need not be in one of its lists). A
 * suspended greenlet denies that, so that the collector leaves it alone. */
static inline int ls_has_gc_header(ls_object object, const struct ls_type *type) {
    return (type->flags & LS_FLAG_HAVE_GC) &&
           (type->is_gc == NULL || type->kind == LS_KIND_GREENLET || type->is_gc(object));
}
/* `module.qualname` as UTF-8 (lone surrogates as three bytes), cut at `room`; returns its length.
 */
size_t ls_type_name(ls_object type, char *text, size_t room);

/* ---- heap_text.c */

/* The text of a str as UTF-8, cut at `room` between characters; 0 if `object` is no str. */
size_t ls_text_of(ls_object object, char *text, size_t room);
intptr_t ls_text_length(ls_object object);
/* Whether `object` is the ASCII str `text`. */
int ls_text_equals(ls_object object, const char *text);
int ls_text_is_interned(ls_object object);

/* ---- heap_size.c */

/* `sys.getsizeof` (header of the collector included), plus attribute values that the interpreter
 * keeps outside of any dict, which getsizeof leaves out; those are also added to `*values`. */
uint64_t ls_size_of(ls_object object, const struct ls_type *type, uint64_t *values);
/* Entries of a list, dict, set or deque; -1 for anything else. */
int64_t ls_length_of(ls_object object, const struct ls_type *type);
/* The attribute values kept in or beside an instance of 3.11+, NULL if there are none. */
uintptr_t ls_inline_values(ls_object object, const struct ls_type *type);
/* How many values fit where `keys` is the shared table of their names. */
int64_t ls_shared_keys_room(uintptr_t keys);

/* ---- heap_dict.c */

struct ls_entries {
    uintptr_t first; /* address of the first entry */
    int64_t count;   /* used or not */
    uint32_t stride;
    uint32_t key; /* offset of the key in an entry */
    int strings;  /* all keys are str; tp_traverse does not visit them then */
};

void ls_keys_entries(uintptr_t keys, struct ls_entries *entries);
uint64_t ls_keys_size(uintptr_t keys);
/* Whether a dict may be the interpreter's table of interned strings, which from 3.14 on is a dict
 * like others: it holds interned strings, each under itself. */
int ls_may_be_interned_table(ls_object dict);

/* ---- heap_references.c */

/* What the context of every visit function starts with. */
struct ls_visitor {
    ls_object type; /* of the object whose references are visited */
    int type_seen;  /* set by the visit function when it is given `type` */
};

/* The interpreter's table of interned strings, whose references do not count; 0 if there is none.
 * Set by the walk. */
extern ls_object ls_interned_table;

/* Visit every object that `object` holds a reference to: what tp_traverse visits, and what it
 * leaves out because it cannot be part of a cycle (keys of dicts, fields of code objects, names of
 * types, the type of an instance). One visit per reference; NULL is visited too. */
void ls_references(ls_object object, const struct ls_type *type, ls_visit visit,
                   struct ls_visitor *visitor);
/* Whether objects of this type can have references at all. */
int ls_has_references(const struct ls_type *type);
/* Whether `wanted` is among what tp_traverse visits. */
int ls_traverse_visits(ls_object object, const struct ls_type *type, ls_object wanted);
/* The type whose code runs, its tp_traverse as a rule; NULL if none does. */
extern const struct ls_type *volatile ls_traversed;

/* ---- heap_greenlets.c */

/* What gets the frame of a greenlet, if objects of `type` are greenlets, else NULL. */
ls_getter ls_greenlet_getter(ls_object type);
/* The innermost call of a greenlet: an interpreter frame, or a frame object up to 3.10. 0 if it is
 * not suspended: it runs, has ended or has not begun. */
uintptr_t ls_greenlet_frame(ls_object greenlet, const struct ls_type *type);
/* The call that made this one, 0 if there is none or none is to be found. */
uintptr_t ls_greenlet_frame_before(uintptr_t frame);
/* Visit what its suspended calls hold. */
void ls_greenlet_calls(ls_object greenlet, const struct ls_type *type, ls_visit visit,
                       void *context);

/* ---- heap_stream.c */

enum ls_frame_kind {
    LS_FRAME_HEADER = 1,
    LS_FRAME_LENGTHS,
    LS_FRAME_COUNTS,
    LS_FRAME_TYPES,
    LS_FRAME_OBJECTS,
    LS_FRAME_REFERENCES,
    LS_FRAME_ROOTS,
    LS_FRAME_END,
    LS_FRAME_FAILED,
    LS_FRAME_NAMES,
};

/* Every frame starts with this; `bytes` of payload follow. All numbers are little-endian. */
struct ls_frame {
    uint32_t kind;
    uint32_t count;
    uint64_t bytes;
};

void ls_stream_open(int socket);
void ls_stream_frame(uint32_t kind, uint32_t count, const void *payload, uint64_t bytes);
/* The head of a frame alone, and then its payload in pieces. */
void ls_stream_head(uint32_t kind, uint32_t count, uint64_t bytes);
void ls_stream_send(const void *bytes, size_t length);
/* Records that are gathered into frames of one kind; a record is never split. */
void ls_stream_record(uint32_t kind, const void *head, size_t head_bytes, const void *tail,
                      size_t tail_bytes);
void ls_stream_flush(void);
/* Returns 0 at the end of input, 1 if `bytes` were read. */
int ls_stream_read(void *buffer, size_t bytes);
/* The last frame: what failed, and the type whose objects' references were being followed. */
void ls_child_fail(enum ls_failure why) __attribute__((noreturn));
/* The same without waiting, and without ending; nothing in the middle of another frame. Can be
 * called where a signal arrives. */
void ls_last_words(enum ls_failure why);
void ls_child_exit(int status) __attribute__((noreturn));

/* ---- heap_walk.c, heap_child.c, heap_roots.c, heap_name.c */

enum { LS_DEPTH_CENSUS = 1, LS_DEPTH_FULL = 2 };

struct ls_heap_request {
    uint32_t depth;
    uint32_t min_length;    /* containers shorter than this are not listed */
    uint32_t limit_seconds; /* the child ends itself after this long */
    uint32_t niceness;      /* of the child, up to 19; it is never less nice than the target */
    uint64_t limit_bytes;   /* of memory that the child may use for itself */
};

struct ls_freeze {
    struct ls_heap_request request;
    uintptr_t heads[LS_GENERATIONS];
    ls_object modules;
    void *first_thread;
    int socket;
    int parent;
};

/* What was frozen; set once, when the child begins. */
extern struct ls_freeze ls_frozen;

/* ---- heap_guard.c: signals that end the child are told before they do */

void ls_guard(void);

/* The child's life. */
void ls_child_main(const struct ls_freeze *freeze) __attribute__((noreturn));
void ls_walk(const struct ls_freeze *freeze);

/* ---- heap_fork.c: called by the agent's dispatcher, without the GIL */

struct ls_heap_opened {
    uint32_t failure; /* enum ls_failure */
    int32_t error;    /* errno behind it, 0 if none */
    int32_t child;
    uint32_t version;
    uint64_t wait_ns;  /* until the GIL was ours */
    uint64_t pause_ns; /* while we held it: how long the target was held up */
};

struct ls_heap_reaped {
    int32_t child;   /* 0: there was none */
    int32_t status;  /* as from waitpid */
    uint32_t killed; /* it had not ended in time and was killed */
};

/* Freeze the heap. On success `*socket` is the controller's end of the stream, else -1. */
void ls_heap_open(const struct ls_heap_request *request, struct ls_heap_opened *opened,
                  int *socket);
/* Wait for the frozen copy to end, at most `wait_ms`, then kill it. */
void ls_heap_reap(uint32_t wait_ms, struct ls_heap_reaped *reaped);

#endif
