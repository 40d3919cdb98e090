#define _GNU_SOURCE
#include "python_api.h"

#include <dlfcn.h>
#include <string.h>

struct import {
    size_t offset;
    const char *name;
    const char *older_name;
};

#define IMPORT(field, name)                                                                        \
    { offsetof(struct python_api, field), name, NULL }

static const struct import imports[] = {
    IMPORT(IsInitialized, "Py_IsInitialized"),
    {offsetof(struct python_api, IsFinalizing), "Py_IsFinalizing", "_Py_IsFinalizing"}, /* < 3.13 */
    IMPORT(GetVersion, "Py_GetVersion"),
    IMPORT(GILState_Ensure, "PyGILState_Ensure"),
    IMPORT(GILState_Release, "PyGILState_Release"),
    IMPORT(CompileString, "Py_CompileString"),
    IMPORT(EvalCode, "PyEval_EvalCode"),
    IMPORT(GetBuiltins, "PyEval_GetBuiltins"),
    IMPORT(Dict_New, "PyDict_New"),
    IMPORT(Dict_Clear, "PyDict_Clear"),
    IMPORT(Dict_SetItemString, "PyDict_SetItemString"),
    IMPORT(Dict_GetItemString, "PyDict_GetItemString"),
    IMPORT(Dict_DelItemString, "PyDict_DelItemString"),
    IMPORT(Unicode_FromString, "PyUnicode_FromString"),
    IMPORT(Unicode_AsEncodedString, "PyUnicode_AsEncodedString"),
    IMPORT(Bytes_AsStringAndSize, "PyBytes_AsStringAndSize"),
    IMPORT(Object_Str, "PyObject_Str"),
    IMPORT(Object_IsInstance, "PyObject_IsInstance"),
    IMPORT(Err_Fetch, "PyErr_Fetch"),
    IMPORT(Err_NormalizeException, "PyErr_NormalizeException"),
    IMPORT(Err_Clear, "PyErr_Clear"),
    IMPORT(ExceptionClass_Name, "PyExceptionClass_Name"),
    IMPORT(DecRef, "Py_DecRef"),
    IMPORT(Unicode_Type, "PyUnicode_Type"),
};

_Static_assert(sizeof imports / sizeof *imports * sizeof(void *) == sizeof(struct python_api),
               "every member is imported");

bool python_api_load(struct python_api *api) {
    for (size_t i = 0; i < sizeof imports / sizeof *imports; i++) {
        void *address = dlsym(RTLD_DEFAULT, imports[i].name);
        if (!address && imports[i].older_name)
            address = dlsym(RTLD_DEFAULT, imports[i].older_name);
        if (!address)
            return false;
        memcpy((char *)api + imports[i].offset, &address, sizeof address);
    }
    return true;
}

static uint32_t read_number(const char **text) {
    uint32_t number = 0;
    while (**text >= '0' && **text <= '9')
        number = number * 10 + (uint32_t)(*(*text)++ - '0');
    return number;
}

uint32_t python_hexversion(const struct python_api *api) {
    const char *text = api->GetVersion(); /* "3.13.0rc1 (main, ..." */
    uint32_t hex = 0;
    for (int shift = 24; shift >= 8; shift -= 8) {
        hex |= (read_number(&text) & 0xff) << shift;
        if (*text == '.')
            text++;
    }
    uint32_t level = *text == 'a' ? 0xa : *text == 'b' ? 0xb : *text == 'r' ? 0xc : 0xf;
    while (*text == 'a' || *text == 'b' || *text == 'r' || *text == 'c')
        text++;
    return hex | level << 4 | (read_number(&text) & 0xf);
}

bool python_is_up(const struct python_api *api) {
    return api->IsInitialized() && !api->IsFinalizing();
}
