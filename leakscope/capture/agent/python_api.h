/* The few functions of the interpreter that the agent calls, found at run time.
 *
 * No Python header is used and libpython is not linked, so one agent fits every CPython 3.9-3.15.
 * All of these have had the same signature in all of them.
 */
#ifndef LEAKSCOPE_PYTHON_API_H
#define LEAKSCOPE_PYTHON_API_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct _object PyObject;

struct python_api {
    int (*IsInitialized)(void);
    int (*IsFinalizing)(void);
    const char *(*GetVersion)(void);
    int (*GILState_Ensure)(void);
    void (*GILState_Release)(int state);
    PyObject *(*CompileString)(const char *source, const char *file, int start);
    PyObject *(*EvalCode)(PyObject *code, PyObject *globals, PyObject *locals);
    PyObject *(*GetBuiltins)(void);
    PyObject *(*Dict_New)(void);
    void (*Dict_Clear)(PyObject *dict);
    int (*Dict_SetItemString)(PyObject *dict, const char *key, PyObject *value);
    PyObject *(*Dict_GetItemString)(PyObject *dict, const char *key);
    int (*Dict_DelItemString)(PyObject *dict, const char *key);
    PyObject *(*Unicode_FromString)(const char *text);
    PyObject *(*Unicode_AsEncodedString)(PyObject *text, const char *encoding, const char *errors);
    int (*Bytes_AsStringAndSize)(PyObject *bytes, char **buffer, intptr_t *size);
    PyObject *(*Object_Str)(PyObject *object);
    int (*Object_IsInstance)(PyObject *object, PyObject *type);
    void (*Err_Fetch)(PyObject **type, PyObject **value, PyObject **traceback);
    void (*Err_NormalizeException)(PyObject **type, PyObject **value, PyObject **traceback);
    void (*Err_Clear)(void);
    const char *(*ExceptionClass_Name)(PyObject *type);
    void (*DecRef)(PyObject *object); /* accepts NULL */
    PyObject *Unicode_Type;
};

/* Fill in all of `api`; false if this process has no interpreter with all of it. */
bool python_api_load(struct python_api *api);

/* PY_VERSION_HEX of the interpreter. Needs no lock. */
uint32_t python_hexversion(const struct python_api *api);

/* Whether the interpreter may be entered now: it is up and not on its way down. */
bool python_is_up(const struct python_api *api);

#endif
