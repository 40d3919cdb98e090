/* The life of the frozen child: make itself harmless, walk, answer, end. Never returns.
 *
 * It runs on a copy of the agent thread's stack. Whatever other threads held when the heap froze
 * stays held for ever here, so: system calls and the walk, nothing of libc that locks. */
#define _GNU_SOURCE
#include "heap_names.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <unistd.h>

#ifndef SYS_close_range
#define SYS_close_range 436
#endif

enum { STREAM = 0, LAST_SIGNAL = 64, FALLBACK_DESCRIPTORS = 65536 };

/* Keep the stream, as descriptor 0, and nothing else: the target's sockets and files must be able
 * to close while this copy lives. */
static void keep_only(int socket) {
    if (socket != STREAM)
        syscall(SYS_dup3, socket, STREAM, 0);
    if (syscall(SYS_close_range, 1u, ~0u, 0u) == 0)
        return;
    struct rlimit limit;
    long last = FALLBACK_DESCRIPTORS;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < FALLBACK_DESCRIPTORS)
        last = (long)limit.rlim_cur;
    for (long descriptor = 1; descriptor < last; descriptor++)
        syscall(SYS_close, descriptor);
}

/* No handler of the target's may run here. All signals were blocked before the clone. */
static void forget_handlers(void) {
    struct sigaction plain;
    memset(&plain, 0, sizeof plain);
    plain.sa_handler = SIG_DFL;
    for (int number = 1; number <= LAST_SIGNAL; number++)
        sigaction(number, &plain, NULL);
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

/* Let the target go first. The copy of a real-time thread would be one itself, and not be nice. */
static void stand_back(long niceness) {
    long policy = syscall(SYS_sched_getscheduler, 0);
    if (policy == SCHED_FIFO || policy == SCHED_RR) {
        struct sched_param none;
        memset(&none, 0, sizeof none);
        syscall(SYS_sched_setscheduler, 0, SCHED_OTHER, &none);
    }
    long own = 20 - syscall(SYS_getpriority, PRIO_PROCESS, 0); /* as the kernel counts it */
    if (own < niceness)
        setpriority(PRIO_PROCESS, 0, niceness < 19 ? (int)niceness : 19);
}

/* The kernel is to kill this copy first, run it last, write no core of it, and end it in time. */
static void be_expendable(const struct ls_freeze *freeze) {
    prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
    if ((int)syscall(SYS_getppid) != freeze->parent)
        ls_child_exit(1);
    long file = syscall(SYS_openat, AT_FDCWD, "/proc/self/oom_score_adj", O_WRONLY, 0);
    if (file >= 0) {
        (void)!syscall(SYS_write, file, "1000", 4);
        syscall(SYS_close, file);
    }
    stand_back(freeze->request.niceness);
    prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
    struct itimerval guard;
    memset(&guard, 0, sizeof guard);
    guard.it_value.tv_sec = freeze->request.limit_seconds;
    setitimer(ITIMER_REAL, &guard, NULL);
}

static void report_header(const struct ls_freeze *freeze) {
    struct {
        char magic[8];
        uint32_t format, version, depth, pid;
        uint64_t modules, budget;
    } header = {{'L', 'S', 'H', 'E', 'A', 'P', '\r', '\n'},
                1,
                ls_python.version,
                freeze->request.depth,
                (uint32_t)syscall(SYS_getpid),
                freeze->modules,
                freeze->request.limit_bytes};
    ls_stream_frame(LS_FRAME_HEADER, 1, &header, sizeof header);
}

struct ls_freeze ls_frozen;

void ls_child_main(const struct ls_freeze *freeze) {
    keep_only(freeze->socket);
    forget_handlers();
    ls_guard();
    be_expendable(freeze);
    ls_stream_open(STREAM);
    ls_memory_limit(freeze->request.limit_bytes);
    report_header(freeze);
    ls_frozen = *freeze;
    ls_walk(freeze);
    if (freeze->request.depth == LS_DEPTH_FULL)
        ls_names_serve();
    ls_child_exit(0);
}
