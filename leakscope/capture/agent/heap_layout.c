/* What this interpreter looks like: its functions, its struct offsets, the collector's lists.
 *
 * Runs in the parent with the GIL held. It makes at most two objects and drops them again; the
 * collector does not run (see `quietly`). Nothing here may keep a reference. */
#define _GNU_SOURCE
#include "heap.h"

#include <dlfcn.h>
#include <link.h>
#include <string.h>

struct ls_python ls_python;

#define CODE_311                                                                                   \
    .code_name = 120, .code_qualname = 128, .code_filename = 112, .code_consts = 24,               \
    .code_names = 32, .code_exceptions = 40, .code_localsplusnames = 96,                           \
    .code_localspluskinds = 104, .code_linetable = 136
#define CODE_312 CODE_311, .code_first_line = 68, .code_stacksize = 64, .code_nlocalsplus = 72
#define CODE_39                                                                                    \
    .code_name = 112, .code_filename = 104, .code_first_line = 40, .code_stacksize = 32,           \
    .code_nlocals = 28, .code_consts = 56, .code_names = 64, .code_varnames = 72,                  \
    .code_freevars = 80, .code_cellvars = 88, .code_linetable = 120, .code_bytes = 48
#define FUNCTION_310                                                                               \
    .function_name = 32, .function_globals = 16, .function_code = 48, .function_defaults = 56,     \
    .function_kwdefaults = 64, .function_closure = 72, .function_dict = 88
#define KEYS_39 .keys_usable = 24, .keys_nentries = 32, .keys_indices = 40
#define KEYS_311 .keys_usable = 16, .keys_nentries = 24, .keys_indices = 32
#define STR_39 .str_ascii_size = 48, .str_compact_size = 72, .str_legacy_size = 80
#define STR_312 .str_ascii_size = 40, .str_compact_size = 56, .str_legacy_size = 64
#define HEAP_TYPE_312                                                                              \
    .ht_name = 856, .ht_slots = 864, .ht_qualname = 872, .ht_cached_keys = 880,                    \
    .static_type_size = 416
#define FRAME_312                                                                                  \
    .frameobject_frame = 24, .frame_back = 8, .frame_code = 0, .frame_function = 16,               \
    .frame_locals_dict = 40, .frame_object = 48, .frame_instruction = 56

static const struct ls_offsets versions[] = {
    {.minor = 9,
     .gc_permanent = 80,
     .ht_name = 840,
     .ht_slots = 848,
     .ht_qualname = 856,
     .ht_cached_keys = 864,
     .heap_type_size = 880,
     .static_type_size = 408,
     STR_39,
     .tuple_items = 24,
     KEYS_39,
     .function_name = 64,
     .function_globals = 24,
     .function_code = 16,
     .function_defaults = 32,
     .function_kwdefaults = 40,
     .function_closure = 48,
     .function_dict = 72,
     CODE_39,
     .gen_frame = 16,
     .gen_name = 48,
     .frame_back = 24,
     .frame_code = 32,
     .frame_locals = 360,
     .frame_instruction = 104,
     .thread_frame = 24,
     .thread_id = 176,
     .thread_dict = 152,
     .thread_context = 240},
    {.minor = 10,
     .gc_permanent = 80,
     .ht_name = 848,
     .ht_slots = 856,
     .ht_qualname = 864,
     .ht_cached_keys = 872,
     .heap_type_size = 888,
     .static_type_size = 408,
     STR_39,
     .tuple_items = 24,
     KEYS_39,
     FUNCTION_310,
     CODE_39,
     .gen_frame = 16,
     .gen_name = 40,
     .frame_back = 24,
     .frame_code = 32,
     .frame_locals = 352,
     .frame_instruction = 96,
     .thread_frame = 24,
     .thread_id = 176,
     .thread_dict = 152,
     .thread_context = 240},
    {.minor = 11,
     .gc_permanent = 80,
     .ht_name = 848,
     .ht_slots = 856,
     .ht_qualname = 864,
     .ht_cached_keys = 872,
     .heap_type_size = 904,
     .static_type_size = 408,
     STR_39,
     .tuple_items = 24,
     KEYS_311,
     FUNCTION_310,
     CODE_311,
     .code_first_line = 72,
     .code_stacksize = 68,
     .code_nlocalsplus = 76,
     .code_start = 184,
     .gen_frame = 80,
     .gen_name = 32,
     .frameobject_frame = 24,
     .frame_back = 48,
     .frame_code = 32,
     .frame_function = 0,
     .frame_locals_dict = 24,
     .frame_object = 40,
     .frame_locals = 72,
     .frame_owner = 69,
     .frame_instruction = 56,
     .thread_frame = 56,
     .thread_id = 152,
     .thread_native_id = 160,
     .thread_dict = 128,
     .thread_context = 224,
     .cframe_frame = 8},
    {.minor = 12,
     .gc_permanent = 80,
     HEAP_TYPE_312,
     .heap_type_size = 920,
     STR_312,
     .tuple_items = 24,
     KEYS_311,
     FUNCTION_310,
     CODE_312,
     .code_start = 192,
     .gen_frame = 72,
     .gen_name = 24,
     FRAME_312,
     .frame_locals = 72,
     .frame_owner = 70,
     .thread_frame = 56,
     .thread_id = 136,
     .thread_native_id = 144,
     .thread_dict = 112,
     .thread_context = 208},
    {.minor = 13,
     .gc_permanent = 80,
     HEAP_TYPE_312,
     .heap_type_size = 928,
     STR_312,
     .tuple_items = 24,
     KEYS_311,
     .values_items = 8,
     FUNCTION_310,
     CODE_312,
     .code_start = 200,
     .gen_frame = 72,
     .gen_name = 24,
     FRAME_312,
     .frame_locals = 72,
     .frame_owner = 70,
     .thread_frame = 72,
     .thread_id = 152,
     .thread_native_id = 160,
     .thread_dict = 128,
     .thread_context = 208},
    {.minor = 14,
     .gc_permanent = 72,
     HEAP_TYPE_312,
     .heap_type_size = 936,
     STR_312,
     .tuple_items = 32,
     KEYS_311,
     .values_items = 8,
     FUNCTION_310,
     CODE_312,
     .code_start = 208,
     .gen_frame = 72,
     .gen_name = 24,
     FRAME_312,
     .frame_locals = 80,
     .frame_owner = 74,
     .thread_frame = 72,
     .thread_id = 152,
     .thread_native_id = 160,
     .thread_dict = 128,
     .thread_context = 208},
    {.minor = 15,
     .gc_permanent = 72,
     .ht_name = 864,
     .ht_slots = 872,
     .ht_qualname = 880,
     .ht_cached_keys = 888,
     .heap_type_size = 944,
     .static_type_size = 424,
     STR_312,
     .tuple_items = 32,
     KEYS_311,
     .values_items = 8,
     FUNCTION_310,
     CODE_312,
     .code_start = 208,
     .gen_frame = 72,
     .gen_name = 24,
     FRAME_312,
     .frame_locals = 80,
     .frame_owner = 74,
     .thread_frame = 72,
     .thread_id = 176,
     .thread_native_id = 184,
     .thread_dict = 152,
     .thread_context = 232},
};

static void *error_type;

void *ls_symbol(const char *name) { return dlsym(RTLD_DEFAULT, name); }

struct symbol {
    void *where;
    const char *name;
    int required;
};

static int bind_symbols(void) {
    struct ls_python *py = &ls_python;
    void **error = NULL;
    const struct symbol symbols[] = {
        {&py->list_new, "PyList_New", 1},
        {&py->dict_new, "PyDict_New", 1},
        {&py->dict_set, "PyDict_SetItem", 1},
        {&py->dict_next, "PyDict_Next", 1},
        {&py->decref, "Py_DecRef", 1},
        {&py->error_set, "PyErr_SetNone", 1},
        {&py->error_clear, "PyErr_Clear", 1},
        {&error, "PyExc_MemoryError", 1},
        {&py->modules, "PyImport_GetModuleDict", 1},
        {&py->interpreter, "PyInterpreterState_Get", 1},
        {&py->first_thread, "PyInterpreterState_ThreadHead", 1},
        {&py->next_thread, "PyThreadState_Next", 1},
        {&py->current_thread, "_PyThreadState_UncheckedGet", 0},
        {&py->current_thread, "PyThreadState_GetUnchecked", 0}, /* 3.13 */
        {&py->thread_of_caller, "PyGILState_GetThisThreadState", 1},
        {&py->malloc_figures, "mallinfo2", 0},
        {&py->collects, "PyGC_IsEnabled", 0}, /* 3.10 */
        {&py->gil_ensure, "PyGILState_Ensure", 1},
        {&py->gil_release, "PyGILState_Release", 1},
        {&py->type_type, "PyType_Type", 1},
        {&py->dict_type, "PyDict_Type", 1},
        {&py->set_type, "PySet_Type", 1},
        {&py->frozenset_type, "PyFrozenSet_Type", 1},
        {&py->bytearray_type, "PyByteArray_Type", 1},
        {&py->odict_type, "PyODict_Type", 1},
        {&py->frame_type, "PyFrame_Type", 1},
        {&py->gen_type, "PyGen_Type", 1},
        {&py->coro_type, "PyCoro_Type", 1},
        {&py->asyncgen_type, "PyAsyncGen_Type", 1},
        {&py->code_type, "PyCode_Type", 1},
        {&py->module_type, "PyModule_Type", 1},
        {&py->function_type, "PyFunction_Type", 1},
        {&py->cell_type, "PyCell_Type", 1},
        {&py->method_type, "PyMethod_Type", 1},
        {&py->cfunction_type, "PyCFunction_Type", 1},
        {&py->member_type, "PyMemberDescr_Type", 1},
        {&py->weakref_type, "_PyWeakref_RefType", 1},
        {&py->none, "_Py_NoneStruct", 1},
        {&py->frozendict_type, "PyFrozenDict_Type", 0}, /* 3.15 */
    };
    for (size_t i = 0; i < sizeof symbols / sizeof symbols[0]; i++) {
        void *found = ls_symbol(symbols[i].name);
        if (found == NULL && symbols[i].required)
            return 0;
        if (found != NULL)
            memcpy(symbols[i].where, &found, sizeof found);
    }
    error_type = *error;
    return 1;
}

/* A decimal number of at most 255; moves `text` behind it. */
static uint32_t parse_number(const char **text) {
    uint32_t number = 0;
    while (**text >= '0' && **text <= '9' && number < 256)
        number = number * 10 + (uint32_t)(*(*text)++ - '0');
    return number & 255;
}

/* "3.12.1 (main, ...)" to 0x030c0100; 0 for what is not supported. */
static uint32_t parse_version(const char *text) {
    if (strncmp(text, "3.", 2) != 0 || strstr(text, "free-threading") != NULL)
        return 0;
    text += 2;
    uint32_t minor = parse_number(&text);
    uint32_t micro = *text++ == '.' ? parse_number(&text) : 0;
    return 3u << 24 | minor << 16 | micro << 8;
}

/* With an error set, making an object never starts the collector (3.9 to 3.11 start it when an
 * object is made; later versions do so in the eval loop, which this thread never enters). */
static void *quietly(int list) {
    ls_python.error_set(error_type);
    void *made = list ? ls_python.list_new(0) : ls_python.dict_new();
    ls_python.error_clear();
    return made;
}

/* 3.9 and 3.10 tell the kinds of dicts apart by their look-up function, which has no symbol. */
static int find_general_lookup(void) {
    if (ls_python.at.minor > 10)
        return 1;
    void *dict = quietly(0);
    if (dict == NULL)
        return 0;
    void *none = (void *)ls_python.none;
    int made = ls_python.dict_set(dict, none, none) == 0;
    if (made)
        ls_python.general_lookup = LS_POINTER(LS_POINTER((uintptr_t)dict, LS_MA_KEYS), 16);
    else
        ls_python.error_clear();
    ls_python.decref(dict);
    return made;
}

/* Remember the extent of the loaded file that PyType_Type lies in. */
static int note_image(struct dl_phdr_info *info, size_t size, void *unused) {
    (void)size;
    (void)unused;
    uintptr_t start = UINTPTR_MAX, end = 0;
    for (int i = 0; i < info->dlpi_phnum; i++) {
        if (info->dlpi_phdr[i].p_type != PT_LOAD)
            continue;
        uintptr_t from = info->dlpi_addr + info->dlpi_phdr[i].p_vaddr;
        uintptr_t to = from + info->dlpi_phdr[i].p_memsz;
        start = from < start ? from : start;
        end = to > end ? to : end;
    }
    if (ls_python.type_type < start || ls_python.type_type >= end)
        return 0;
    ls_python.image_start = start;
    ls_python.image_end = end;
    return 1;
}

enum ls_failure ls_layout_prepare(void) {
    static int ready;
    if (ready)
        return LS_OK;
    const char *(*version)(void);
    *(void **)&version = ls_symbol("Py_GetVersion");
    if (version == NULL || !bind_symbols())
        return LS_FAIL_SYMBOL;
    ls_python.version = parse_version(version());
    uint32_t minor = ls_python.version >> 16 & 255;
    ls_python.at.minor = 0;
    for (size_t i = 0; i < sizeof versions / sizeof versions[0]; i++)
        if (ls_python.version != 0 && versions[i].minor == minor)
            ls_python.at = versions[i];
    if (ls_python.at.minor == 0)
        return LS_FAIL_VERSION;
    dl_iterate_phdr(note_image, NULL);
    if (!find_general_lookup())
        return LS_FAIL_MEMORY;
    ready = 1;
    return LS_OK;
}

/* A list head is a gc header like any other: its neighbours point back at it. */
static int is_list_head(uintptr_t head) {
    uintptr_t next = LS_POINTER(head, 0) & ~(uintptr_t)3;
    uintptr_t last = LS_POINTER(head, 8) & ~(uintptr_t)3;
    return next != 0 && last != 0 && (next & 7) == 0 && (last & 7) == 0 &&
           (LS_POINTER(next, 8) & ~(uintptr_t)3) == head &&
           (LS_POINTER(last, 0) & ~(uintptr_t)3) == head;
}

enum ls_failure ls_generations_find(uintptr_t heads[LS_GENERATIONS]) {
    void *newest = quietly(1);
    if (newest == NULL)
        return LS_FAIL_MEMORY;
    /* The newest object is the last of the young generation: the head comes after it. */
    uintptr_t young = LS_POINTER((uintptr_t)newest - 16, 0) & ~(uintptr_t)3;
    ls_python.decref(newest);
    if (young == 0)
        return LS_FAIL_GENERATIONS;
    const uintptr_t offsets[LS_GENERATIONS] = {0, 24, 48, ls_python.at.gc_permanent};
    for (int i = 0; i < LS_GENERATIONS; i++) {
        heads[i] = young + offsets[i];
        if (!is_list_head(heads[i]))
            return LS_FAIL_GENERATIONS;
    }
    return LS_OK;
}
