/* The agent: one thread inside the target that serves its controller until either goes.
 *
 * Loading this object starts the thread; nothing else is needed. The thread finds its controller by
 * the folder that the object was loaded from, takes the interpreter's lock only while it serves a
 * request, and takes the object out of the process when it goes. It writes to nothing but its
 * socket. The interpreter does not know the thread except while a request is served.
 */
#define _GNU_SOURCE
#include "heap_service.h"
#include "interpreter.h"
#include "protocol.h"
#include "sampler_service.h"
#include "wire.h"

#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

enum { STACK_SIZE = 2 << 20, MOST_REFERENCES = 64 };

/* What C libraries offer under different names, or not at all. */
extern int __cxa_thread_atexit_impl(void (*function)(void *), void *argument, void *dso)
    __attribute__((weak));
extern int __register_atfork(void (*prepare)(void), void (*parent)(void), void (*child)(void),
                             void *dso) __attribute__((weak));
extern void __cxa_finalize(void *dso) __attribute__((weak));
extern int pthread_atfork(void (*prepare)(void), void (*parent)(void), void (*child)(void))
    __attribute__((weak));

/* Names this object to the C library; normally the compiler's start files bring it. */
__attribute__((visibility("hidden"))) void *__dso_handle = &__dso_handle;

static char object_path[256]; /* <base>/.ls-TOKEN/agent.so */
static char token[TOKEN_SIZE];

/* ---- where the controller is */

static bool find_myself(void) {
    Dl_info info;
    if (!dladdr((void *)&__dso_handle, &info) || strlen(info.dli_fname) >= sizeof object_path)
        return false;
    memcpy(object_path, info.dli_fname, strlen(info.dli_fname) + 1);
    const char *folder = strstr(object_path, "/.ls-");
    const char *file = strrchr(object_path, '/');
    if (!folder || file <= folder + 5 || (size_t)(file - folder - 5) >= sizeof token)
        return false;
    memcpy(token, folder + 5, (size_t)(file - folder - 5));
    return true;
}

static bool connect_to_controller(void) {
    char path[sizeof object_path];
    size_t folder = (size_t)(strrchr(object_path, '/') + 1 - object_path);
    memcpy(path, object_path, folder);
    memcpy(path + folder, "s", 2);
    return wire_connect(path);
}

static bool say_hello(void) {
    struct hello hello = {.magic = PROTOCOL_MAGIC,
                          .version = PROTOCOL_VERSION,
                          .kind = KIND_NATIVE,
                          .pid = getpid(),
                          .hexversion = interpreter_hexversion()};
    memcpy(hello.token, token, sizeof hello.token);
    struct message message = {.header = {.opcode = OP_HELLO, .length = sizeof hello},
                              .body = (char *)&hello};
    return wire_send(&message);
}

/* A name by which another leakscope, and whoever looks at the threads, knows who is here: the
 * token begins with the controller's pid. */
static void name_thread(const char *who, size_t length) {
    char name[16] = "lscope-";
    size_t prefix = strlen(name);
    if (length > sizeof name - prefix - 1)
        length = sizeof name - prefix - 1;
    memcpy(name + prefix, who, length);
    prctl(PR_SET_NAME, name);
}

/* ---- requests */

static void serve_exec(const struct message *request, struct message *reply) {
    interpreter_execute(request->body, reply);
}

static const struct service {
    uint16_t opcode;
    void (*serve)(const struct message *request, struct message *reply);
} services[] = {
    {OP_EXEC, serve_exec},
    {OP_HEAP_FREEZE, heap_serve_freeze},
    {OP_HEAP_REAP, heap_serve_reap},
    {OP_SAMPLE_START, sampler_serve_start},
    {OP_SAMPLE_READ, sampler_serve_read},
    {OP_SAMPLE_STOP, sampler_serve_stop},
};

static void dispatch(const struct message *request, struct message *reply) {
    for (size_t i = 0; i < sizeof services / sizeof *services; i++) {
        if (services[i].opcode == request->header.opcode) {
            services[i].serve(request, reply);
            return;
        }
    }
    reply->header.status = STATUS_BAD_REQUEST;
}

static struct message reply_to(const struct message *request) {
    return (struct message){
        .header = {.opcode = request->header.opcode, .sequence = request->header.sequence}};
}

/* Serve until the controller goes. True if it said BYE, which `bye` then is the reply to. */
static bool serve(struct message *bye) {
    struct message request;
    bool connected = true;
    while (connected && wire_receive(&request)) {
        struct message reply = reply_to(&request);
        if (request.header.opcode == OP_BYE) {
            *bye = reply;
            message_free(&request);
            return true;
        }
        dispatch(&request, &reply);
        message_free(&request);
        connected = wire_send(&reply);
        message_free(&reply);
    }
    return false;
}

/* ---- going */

/* Have the C library unload this object when it ends the thread, when none of our code is left to
 * run. Without `__cxa_thread_atexit_impl` (musl, which never unloads) it stays, dormant.
 *
 * Whoever loaded us did so once or twice (CPython 3.15) and has forgotten the handle. A destructor
 * that names us as its owner keeps us mapped while those references are given up, all of them;
 * then one is taken again, for the destructor that runs last. */
static void unload_at_thread_exit(void) {
    void (*unload)(void) = (void (*)(void))dlclose;
    void *handle = dlopen(object_path, RTLD_NOW | RTLD_NOLOAD);
    if (!handle || !__cxa_thread_atexit_impl)
        return;
    __cxa_thread_atexit_impl((void (*)(void *))unload, handle, (void *)unload);
    __cxa_thread_atexit_impl(free, NULL, &__dso_handle);
    for (int references = 0; references < MOST_REFERENCES && dlclose(handle) == 0; references++)
        ;
    dlopen(object_path, RTLD_NOW | RTLD_NOLOAD);
}

static void *agent_main(void *unused) {
    (void)unused;
    struct message bye = {0};
    bool asked_to_go = false;
    if (find_myself()) {
        name_thread(token, strcspn(token, "-"));
        interpreter_find();
        if (connect_to_controller() && say_hello())
            asked_to_go = serve(&bye);
    }
    if (!asked_to_go)
        wire_shut_down();
    heap_forget();
    bool unhooked = sampler_forget();
    name_thread("leaving", strlen("leaving"));
    bool forgotten = interpreter_forget(&bye);
    if (asked_to_go)
        wire_send(&bye);
    wire_shut_down();
    /* The loader may still be at work on us, under the interpreter's lock, until we had it. */
    if (forgotten && unhooked)
        unload_at_thread_exit();
    return NULL;
}

/* ---- coming and being taken out */

/* A forked child has no agent: it must not keep the parent's connection open, and is not sampled.
 */
static void in_forked_child(void) {
    wire_close();
    sampler_in_forked_child();
}

static void start_thread(void) {
    pthread_attr_t attributes;
    pthread_t thread;
    sigset_t all, before;
    if (pthread_attr_init(&attributes) != 0)
        return;
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    pthread_attr_setstacksize(&attributes, STACK_SIZE);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before); /* the thread inherits it: no signal is its own */
    pthread_create(&thread, &attributes, agent_main, NULL);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attributes);
}

__attribute__((constructor)) static void on_load(void) {
    int before = errno;
    if (__register_atfork)
        __register_atfork(NULL, NULL, in_forked_child, &__dso_handle);
    else if (pthread_atfork)
        pthread_atfork(NULL, NULL, in_forked_child);
    start_thread();
    errno = before;
}

__attribute__((destructor)) static void on_unload(void) {
    if (__cxa_finalize)
        __cxa_finalize(&__dso_handle); /* takes the fork handler out */
}
