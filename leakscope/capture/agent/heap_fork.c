/* Freezing the heap: the only part that the target feels.
 *
 * Parent, on the agent's thread, without the GIL on entry and exit. The GIL is taken for the clone
 * and given back at once. The child has no exit signal: the target never gets a SIGCHLD for it and
 * its own waits never see it; it is reaped here with __WCLONE. One frozen copy at a time. */
#define _GNU_SOURCE
#include "clock.h"
#include "heap.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static int frozen_child; /* 0 if there is none */

/* fork without what libc and the interpreter attach to it, and without an exit signal. */
static long raw_clone(void) {
#if defined(__s390__) || defined(__cris__)
    return syscall(SYS_clone, NULL, 0L, NULL, NULL, 0L);
#else
    return syscall(SYS_clone, 0L, NULL, NULL, NULL, 0L);
#endif
}

static enum ls_failure clone_with_gil(struct ls_freeze *freeze, struct ls_heap_opened *opened) {
    enum ls_failure failure = ls_layout_prepare();
    opened->version = ls_python.version;
    if (failure == LS_OK)
        failure = ls_generations_find(freeze->heads);
    if (failure != LS_OK)
        return failure;
    freeze->modules = (ls_object)ls_python.modules();
    freeze->first_thread = ls_python.first_thread(ls_python.interpreter());
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    long child = raw_clone();
    if (child == 0)
        ls_child_main(freeze);
    opened->error = child < 0 ? errno : 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (child < 0)
        return LS_FAIL_CLONE;
    frozen_child = opened->child = (int)child;
    return LS_OK;
}

/* As every thread of its own the interpreter would park or end this one while it goes down. */
static enum ls_failure may_enter(void) {
    int (*initialized)(void), (*finalizing)(void);
    *(void **)&initialized = ls_symbol("Py_IsInitialized");
    *(void **)&finalizing = ls_symbol("Py_IsFinalizing"); /* 3.13 */
    if (finalizing == NULL)
        *(void **)&finalizing = ls_symbol("_Py_IsFinalizing");
    *(void **)&ls_python.gil_ensure = ls_symbol("PyGILState_Ensure");
    *(void **)&ls_python.gil_release = ls_symbol("PyGILState_Release");
    if (initialized == NULL || finalizing == NULL || ls_python.gil_ensure == NULL ||
        ls_python.gil_release == NULL)
        return LS_FAIL_SYMBOL;
    return initialized() && !finalizing() ? LS_OK : LS_FAIL_FINALIZING;
}

static enum ls_failure freeze_heap(struct ls_freeze *freeze, struct ls_heap_opened *opened) {
    enum ls_failure failure = may_enter();
    if (failure != LS_OK)
        return failure;
    freeze->parent = (int)syscall(SYS_getpid);
    uint64_t asked = now_ns();
    int state = ls_python.gil_ensure();
    uint64_t taken = now_ns();
    failure = clone_with_gil(freeze, opened);
    ls_python.gil_release(state);
    opened->wait_ns = taken - asked;
    opened->pause_ns = now_ns() - taken;
    return failure;
}

/* Move a descriptor of ours out of the range of the standard streams. A daemon may have closed
 * them, and then an end of ours would become its stdin; 0 stands for none in a message, too. */
static int beyond_standard(int fd) {
    if (fd > STDERR_FILENO)
        return fd;
    int moved = fcntl(fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
    close(fd);
    return moved;
}

void ls_heap_open(const struct ls_heap_request *request, struct ls_heap_opened *opened,
                  int *socket) {
    struct ls_heap_reaped reaped;
    int ends[2];
    memset(opened, 0, sizeof *opened);
    *socket = -1;
    if (frozen_child != 0)
        ls_heap_reap(0, &reaped);
    if (request->depth != LS_DEPTH_CENSUS && request->depth != LS_DEPTH_FULL) {
        opened->failure = LS_FAIL_REQUEST;
        return;
    }
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) {
        opened->failure = LS_FAIL_SOCKET;
        opened->error = errno;
        return;
    }
    ends[0] = beyond_standard(ends[0]);
    ends[1] = beyond_standard(ends[1]);
    if (ends[0] < 0 || ends[1] < 0) {
        opened->failure = LS_FAIL_SOCKET;
        opened->error = errno;
        close(ends[0] < 0 ? ends[1] : ends[0]);
        return;
    }
    int room = 4 << 20;
    setsockopt(ends[1], SOL_SOCKET, SO_SNDBUF, &room, sizeof room);
    struct ls_freeze freeze = {.request = *request, .socket = ends[1]};
    opened->failure = freeze_heap(&freeze, opened);
    close(ends[1]);
    if (opened->failure == LS_OK)
        *socket = ends[0];
    else
        close(ends[0]);
}

void ls_heap_reap(uint32_t wait_ms, struct ls_heap_reaped *reaped) {
    memset(reaped, 0, sizeof *reaped);
    reaped->child = frozen_child;
    if (frozen_child == 0)
        return;
    uint64_t deadline = now_ns() + (uint64_t)wait_ms * 1000000u;
    int done;
    while ((done = wait4(frozen_child, &reaped->status, __WCLONE | WNOHANG, NULL)) == 0 &&
           now_ns() < deadline) {
        struct timespec pause = {0, 1000000};
        nanosleep(&pause, NULL);
    }
    if (done == 0) {
        reaped->killed = 1;
        syscall(SYS_kill, frozen_child, SIGKILL);
        while (wait4(frozen_child, &reaped->status, __WCLONE, NULL) < 0 && errno == EINTR)
            ;
    }
    frozen_child = 0;
}
