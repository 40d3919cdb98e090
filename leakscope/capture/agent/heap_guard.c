/* A signal that ends the child is told before it does, with the type whose objects were followed.
 *
 * Child only. tp_traverse is code of the target and may do anything: what it breaks here is a copy,
 * and whoever reads of it is to learn which type it was. Each signal is told once; then it takes
 * its ordinary way. */
#define _GNU_SOURCE
#include "heap.h"

#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { STACK_BYTES = 1 << 15 };

static void tell(int number) {
    ls_last_words(number == SIGALRM ? LS_FAIL_TIME : LS_FAIL_CRASH);
    syscall(SYS_kill, syscall(SYS_getpid), number); /* its handler was reset when it came */
}

void ls_guard(void) {
    static const int signals[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT, SIGALRM};
    static char stack[STACK_BYTES]; /* the other one may be what overflowed */
    const stack_t other = {.ss_sp = stack, .ss_size = sizeof stack};
    struct sigaction action;
    if (sigaltstack(&other, NULL) != 0)
        return;
    memset(&action, 0, sizeof action);
    action.sa_handler = tell;
    action.sa_flags = (int)(SA_ONSTACK | SA_RESETHAND);
    for (size_t i = 0; i < sizeof signals / sizeof signals[0]; i++)
        sigaction(signals[i], &action, NULL);
}
