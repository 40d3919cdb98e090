/* Python stacks, each kept once: the functions they lead through, and where these were.
 *
 * A stack is read on the thread that allocates, from its own frames, which stand still meanwhile.
 * Functions are told apart by their code object and by what it says of itself, since another one
 * may come to lie at its address. Nothing is referred to: names and line tables are copied. What is
 * known already is not read again: of a table its address and length are compared, since reading
 * the tables of all calls took most of the time of a sample. */
#define _GNU_SOURCE
#include "heap_names.h"
#include "sampler.h"

#include <string.h>
#include <sys/mman.h>

enum {
    FUNCTION_SLOTS = 2 * LS_MOST_FUNCTIONS,
    STACK_SLOTS = 2 * LS_MOST_STACKS,
    MOST_HOPS = 4 * LS_DEEPEST, /* frames of the interpreter itself lie between */
};

struct function {
    ls_object code, name, file, table; /* addresses, to compare */
    uint32_t text;                     /* where its texts begin */
    int32_t first_line;
    uint32_t name_length, file_length, table_length;
};

struct frame {
    uint32_t function;
    int32_t offset;
};

struct stack {
    uint64_t hash;
    uint32_t first_frame, depth, cut;
    double objects, bytes, variance; /* of all allocations, estimated from their samples */
};

static struct store {
    struct function functions[LS_MOST_FUNCTIONS];
    struct stack stacks[LS_MOST_STACKS];
    struct frame frames[LS_MOST_FRAMES];
    char text[LS_MOST_TEXT];
    uint32_t function_slots[FUNCTION_SLOTS]; /* number + 1 */
    uint32_t stack_slots[STACK_SLOTS];
} * store;

static uint32_t function_count, stack_count, frame_count, text_size;

/* ---- on the allocating thread */

void ls_stack_read(struct ls_stack *stack, bool holds_gil) {
    stack->depth = stack->cut = 0;
    void *thread = holds_gil ? ls_python.current_thread() : ls_python.thread_of_caller();
    uintptr_t frame = thread == NULL ? 0 : ls_frame_of_thread(thread);
    for (int hops = 0; frame != 0 && hops < MOST_HOPS; hops++) {
        ls_object code = ls_code_of_running(frame);
        if (code != 0) {
            if (stack->depth == LS_DEEPEST) {
                stack->cut = 1;
                return;
            }
            stack->places[stack->depth].code = code;
            stack->places[stack->depth++].offset = ls_instruction_of(frame, code);
        }
        frame = ls_frame_before(frame);
    }
    stack->cut = frame != 0;
}

/* ---- functions */

/* Length of the line table of a code object; 0 if it is too long to keep. */
static uint32_t table_length(ls_object code) {
    ls_object table = LS_POINTER(code, ls_python.at.code_linetable);
    uint64_t length = LS_FIELD(uint64_t, table, LS_OB_SIZE);
    return length > LS_LONGEST_TABLE ? 0 : (uint32_t)length; /* its first line has to do */
}

static struct function described(ls_object code) {
    const struct ls_offsets *at = &ls_python.at;
    return (struct function){
        .code = code,
        .name = LS_POINTER(code, at->code_qualname != 0 ? at->code_qualname : at->code_name),
        .file = LS_POINTER(code, at->code_filename),
        .table = LS_POINTER(code, at->code_linetable),
        .first_line = LS_FIELD(int32_t, code, at->code_first_line),
        .table_length = table_length(code),
    };
}

static bool is_the_same(const struct function *known, const struct function *found) {
    return known->code == found->code && known->name == found->name && known->file == found->file &&
           known->table == found->table && known->first_line == found->first_line &&
           known->table_length == found->table_length;
}

/* Copy the texts of a function to the end of the store; false if they do not fit. */
static bool copy_texts(struct function *function) {
    if (sizeof store->text - text_size < 2 * LS_LONGEST_NAME + function->table_length)
        return false;
    char *to = store->text + text_size;
    function->text = text_size;
    function->name_length = (uint32_t)ls_text_of(function->name, to, LS_LONGEST_NAME);
    to += function->name_length;
    function->file_length = (uint32_t)ls_text_of(function->file, to, LS_LONGEST_NAME);
    to += function->file_length;
    memcpy(to, (char *)function->table + LS_BYTES_START, function->table_length);
    text_size += function->name_length + function->file_length + function->table_length;
    return true;
}

/* The number of a code object's function; false if there is no room for one more. */
static bool intern_function(ls_object code, uint32_t *number) {
    struct function found = described(code);
    uint32_t slot = (uint32_t)((code >> 4) * 0x9E3779B97F4A7C15u >> 40) % FUNCTION_SLOTS;
    while (store->function_slots[slot] != 0) {
        *number = store->function_slots[slot] - 1;
        if (is_the_same(&store->functions[*number], &found))
            return true;
        slot = (slot + 1) % FUNCTION_SLOTS;
    }
    if (function_count == LS_MOST_FUNCTIONS || !copy_texts(&found))
        return false;
    store->functions[function_count] = found;
    *number = function_count++;
    store->function_slots[slot] = function_count;
    return true;
}

/* ---- stacks */

static uint64_t hash_of(const struct frame *frames, uint32_t depth, uint32_t cut) {
    uint64_t hash = 0xCBF29CE484222325u + cut;
    for (uint32_t i = 0; i < depth; i++) {
        hash = (hash ^ frames[i].function) * 0x9E3779B97F4A7C15u;
        hash = (hash ^ (uint32_t)frames[i].offset) * 0x9E3779B97F4A7C15u;
        hash ^= hash >> 29;
    }
    return hash;
}

static bool is_stack(const struct stack *known, uint64_t hash, const struct frame *frames,
                     uint32_t depth, uint32_t cut) {
    return known->hash == hash && known->depth == depth && known->cut == cut &&
           memcmp(store->frames + known->first_frame, frames, depth * sizeof *frames) == 0;
}

uint32_t ls_stack_intern(const struct ls_stack *stack) {
    struct frame frames[LS_DEEPEST];
    for (uint32_t i = 0; i < stack->depth; i++) {
        frames[i].offset = stack->places[i].offset;
        if (!intern_function(stack->places[i].code, &frames[i].function))
            return 0;
    }
    if (stack->depth == 0)
        return 0;
    uint64_t hash = hash_of(frames, stack->depth, stack->cut);
    uint32_t slot = (uint32_t)(hash >> 40) % STACK_SLOTS;
    while (store->stack_slots[slot] != 0) {
        uint32_t number = store->stack_slots[slot] - 1;
        if (is_stack(&store->stacks[number], hash, frames, stack->depth, stack->cut))
            return number;
        slot = (slot + 1) % STACK_SLOTS;
    }
    if (stack_count == LS_MOST_STACKS || LS_MOST_FRAMES - frame_count < stack->depth)
        return 0;
    store->stacks[stack_count] = (struct stack){
        .hash = hash, .first_frame = frame_count, .depth = stack->depth, .cut = stack->cut};
    memcpy(store->frames + frame_count, frames, stack->depth * sizeof *frames);
    frame_count += stack->depth;
    store->stack_slots[slot] = ++stack_count;
    return stack_count - 1;
}

void ls_stack_count(uint32_t number, double size, double mean) {
    struct stack *stack = &store->stacks[number];
    double share = ls_sampled_share(size, mean);
    if (share <= 0)
        return;
    stack->objects += 1 / share;
    stack->bytes += size / share;
    stack->variance += size / share * (size / share) * (1 - share);
}

/* ---- the store */

bool ls_stacks_open(void) {
    void *memory = mmap(NULL, sizeof *store, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED)
        return false;
    store = memory;
    function_count = frame_count = text_size = 0;
    stack_count = 1; /* the one of which nothing is known */
    return true;
}

void ls_stacks_close(void) {
    if (store != NULL)
        munmap(store, sizeof *store);
    store = NULL;
}

uint32_t ls_function_count(void) { return function_count; }
uint32_t ls_stack_count_all(void) { return stack_count; }

struct function_head {
    int32_t first_line;
    uint32_t name_length, file_length, table_length;
};

struct stack_head {
    uint32_t depth, cut;
    double objects, bytes, variance;
};

_Static_assert(sizeof(struct function_head) == 16, "the controller unpacks 16 bytes");
_Static_assert(sizeof(struct stack_head) == 32, "the controller unpacks 32 bytes");
_Static_assert(sizeof(struct frame) == 8, "the controller unpacks 8 bytes");

size_t ls_stacks_size(void) {
    return function_count * sizeof(struct function_head) + text_size +
           stack_count * sizeof(struct stack_head) + frame_count * sizeof(struct frame);
}

static char *append(char *to, const void *from, size_t size) {
    memcpy(to, from, size);
    return to + size;
}

char *ls_stacks_write(char *to) {
    for (uint32_t i = 0; i < function_count; i++) {
        const struct function *from = &store->functions[i];
        struct function_head head = {from->first_line, from->name_length, from->file_length,
                                     from->table_length};
        to = append(to, &head, sizeof head);
        to = append(to, store->text + from->text,
                    from->name_length + from->file_length + from->table_length);
    }
    for (uint32_t i = 0; i < stack_count; i++) {
        const struct stack *from = &store->stacks[i];
        struct stack_head head = {from->depth, from->cut, from->objects, from->bytes,
                                  from->variance};
        to = append(to, &head, sizeof head);
        to = append(to, store->frames + from->first_frame, from->depth * sizeof(struct frame));
    }
    return to;
}
