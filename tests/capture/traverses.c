/* Functions to stand in for a type's tp_traverse, each broken in its own way; the last ones for the
 * getter of a greenlet's frame. */
#include <stdint.h>

typedef int (*visit)(void *referent, void *context);

static uint64_t zeroes[64], lies[64];
static volatile int calls, deep = 1;

int reads_null(void *self, visit visit, void *context) {
    volatile int *nowhere = 0;
    return *nowhere + visit(self, context);
}

int executes_nothing(void *self, visit visit, void *context) {
    (void)self;
    (void)visit;
    (void)context;
    __builtin_trap();
}

int never_returns(void *self, visit visit, void *context) {
    (void)self;
    (void)visit;
    (void)context;
    for (;;)
        calls++;
}

int overflows_the_stack(void *self, visit visit, void *context) {
    volatile char room[4096];
    room[0] = (char)deep;
    return deep == 0 ? 0 : overflows_the_stack(self, visit, context) + room[0];
}

int visits_null(void *self, visit visit, void *context) {
    (void)self;
    return visit(0, context);
}

int visits_an_odd_address(void *self, visit visit, void *context) {
    return visit((char *)self + 1, context);
}

int visits_unmapped_memory(void *self, visit visit, void *context) {
    (void)self;
    return visit((void *)0x123456789ab8, context);
}

int visits_the_kernel(void *self, visit visit, void *context) {
    (void)self;
    return visit((void *)0xffff800000000008, context);
}

int visits_the_middle_of_an_object(void *self, visit visit, void *context) {
    return visit((char *)self + 8, context);
}

int visits_zeroes(void *self, visit visit, void *context) {
    (void)self;
    return visit(zeroes, context);
}

/* What is there has a type, of a type, that cannot be told from one; its fields are wild. */
int visits_what_looks_like_an_object(void *self, visit visit, void *context) {
    uintptr_t type = ((uintptr_t *)self)[1];
    for (int i = 0; i < 64; i++)
        lies[i] = 0xdeadbeef00 + 8 * (uint64_t)i;
    lies[1] = (uintptr_t)&lies[8];
    lies[9] = ((uintptr_t *)type)[1];
    return visit(lies, context);
}

int visits_its_own_code(void *self, visit visit, void *context) {
    (void)self;
    return visit((void *)((uintptr_t)&visits_its_own_code & ~(uintptr_t)7), context);
}

int visits_its_stack(void *self, visit visit, void *context) {
    uint64_t words[64] = {0};
    (void)self;
    words[1] = (uint64_t)(uintptr_t)&words[16];
    return visit(words, context);
}

int returns_early(void *self, visit visit, void *context) {
    (void)self;
    (void)visit;
    (void)context;
    return 1;
}

int visits_more_each_time(void *self, visit visit, void *context) {
    calls++;
    for (int i = 0; i < calls; i++)
        visit(self, context);
    return 0;
}

int visits_less_each_time(void *self, visit visit, void *context) {
    calls++;
    for (int i = calls; i < 3; i++)
        visit(self, context);
    return 0;
}

/* As many each time, but not the same. */
int visits_another_each_time(void *self, visit visit, void *context) {
    return visit(calls++ == 0 ? self : (void *)zeroes, context);
}

void *gets_nothing(void *self, void *closure) {
    (void)self;
    return closure;
}

void *gets_itself(void *self, void *closure) {
    (void)closure;
    ++*(volatile int64_t *)self;
    return self;
}

void *gets_an_odd_address(void *self, void *closure) {
    (void)closure;
    return (char *)self + 1;
}

void *gets_unmapped_memory(void *self, void *closure) {
    (void)self;
    (void)closure;
    return (void *)0x123456789ab8;
}
