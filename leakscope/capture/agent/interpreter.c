#define _GNU_SOURCE
#include "interpreter.h"

#include "clock.h"
#include "python_api.h"

#include <stddef.h>
#include <string.h>

enum { PY_FILE_INPUT = 257 };

static struct python_api py;
static bool found;
static PyObject *namespace;

bool interpreter_find(void) { return found = python_api_load(&py); }

uint32_t interpreter_hexversion(void) { return found ? python_hexversion(&py) : 0; }

/* ---- the interpreter's lock, and for how long */

/* It may go down between the check and the call: then CPython ends or parks this thread, as it does
 * with every thread of its own. */
bool interpreter_enter(struct entry *entry, struct message *reply) {
    if (!found || !python_is_up(&py)) {
        reply->header.status = STATUS_FINALIZING;
        return false;
    }
    uint64_t asked = now_ns();
    entry->gil_state = py.GILState_Ensure();
    entry->since = now_ns();
    reply->header.waited_ns = entry->since - asked;
    return true;
}

void interpreter_leave(const struct entry *entry, struct message *reply) {
    reply->header.held_ns = now_ns() - entry->since;
    py.GILState_Release(entry->gil_state);
}

/* ---- replies; the lock is held */

static void reply_with(struct message *reply, uint16_t status, const char *content, size_t size) {
    if (size > REPLY_LIMIT) {
        status = STATUS_TOO_LARGE;
        size = 0;
    }
    if (!message_allocate(reply, size))
        status = STATUS_NO_MEMORY;
    else if (size)
        memcpy(reply->body, content, size);
    reply->header.status = status;
}

/* Return a new reference to `text` as UTF-8 bytes, NULL with an exception set. */
static PyObject *encoded(PyObject *text) {
    return text ? py.Unicode_AsEncodedString(text, "utf-8", "backslashreplace") : NULL;
}

/* Answer with the exception that is set: its type's name, NUL, its text. Clears it. */
static void reply_with_exception(struct message *reply) {
    PyObject *type = NULL, *value = NULL, *traceback = NULL;
    py.Err_Fetch(&type, &value, &traceback);
    py.Err_NormalizeException(&type, &value, &traceback);
    const char *name = type ? py.ExceptionClass_Name(type) : "";
    PyObject *text = value ? py.Object_Str(value) : NULL;
    PyObject *bytes = encoded(text);
    char *content = NULL;
    intptr_t size = 0;
    if (!bytes || py.Bytes_AsStringAndSize(bytes, &content, &size) != 0)
        size = 0;
    py.Err_Clear();
    size_t name_size = strlen(name) + 1;
    size_t text_size = (size_t)size < ERROR_LIMIT ? (size_t)size : ERROR_LIMIT;
    if (message_allocate(reply, name_size + text_size)) {
        memcpy(reply->body, name, name_size);
        if (text_size)
            memcpy(reply->body + name_size, content, text_size);
        reply->header.status = STATUS_RAISED;
    } else {
        reply->header.status = STATUS_NO_MEMORY;
    }
    py.DecRef(bytes);
    py.DecRef(text);
    py.DecRef(type);
    py.DecRef(value);
    py.DecRef(traceback);
}

/* Answer with `_reply` and take it out of the namespace; empty if the source left none. */
static void reply_with_result(struct message *reply) {
    PyObject *result = py.Dict_GetItemString(namespace, "_reply"); /* borrowed */
    if (!result) {
        py.Err_Clear();
        reply_with(reply, STATUS_OK, NULL, 0);
        return;
    }
    bool is_text = py.Object_IsInstance(result, py.Unicode_Type) == 1;
    PyObject *bytes = is_text ? encoded(result) : NULL;
    char *content = NULL;
    intptr_t size = 0;
    if ((is_text && !bytes) ||
        py.Bytes_AsStringAndSize(is_text ? bytes : result, &content, &size) != 0)
        reply_with_exception(reply);
    else
        reply_with(reply, STATUS_OK, content, (size_t)size);
    py.DecRef(bytes);
    if (py.Dict_DelItemString(namespace, "_reply") != 0)
        py.Err_Clear();
}

/* ---- requests */

static bool has_namespace(void) {
    if (namespace)
        return true;
    namespace = py.Dict_New();
    PyObject *name = namespace ? py.Unicode_FromString("leakscope_session") : NULL;
    PyObject *builtins = name ? py.GetBuiltins() : NULL; /* borrowed */
    bool ok = builtins && py.Dict_SetItemString(namespace, "__builtins__", builtins) == 0 &&
              py.Dict_SetItemString(namespace, "__name__", name) == 0;
    py.DecRef(name);
    if (!ok) {
        py.DecRef(namespace);
        namespace = NULL;
    }
    return ok;
}

void interpreter_execute(const char *source, struct message *reply) {
    struct entry entry;
    if (!interpreter_enter(&entry, reply))
        return;
    PyObject *code =
        has_namespace() ? py.CompileString(source, "<leakscope>", PY_FILE_INPUT) : NULL;
    PyObject *result = code ? py.EvalCode(code, namespace, namespace) : NULL;
    if (result)
        reply_with_result(reply);
    else
        reply_with_exception(reply);
    py.DecRef(result);
    py.DecRef(code);
    interpreter_leave(&entry, reply);
}

bool interpreter_forget(struct message *reply) {
    struct entry entry;
    if (!interpreter_enter(&entry, reply))
        return false;
    if (namespace) {
        py.Dict_Clear(namespace); /* its functions and itself refer to each other */
        py.DecRef(namespace);
        namespace = NULL;
    }
    interpreter_leave(&entry, reply);
    return true;
}
