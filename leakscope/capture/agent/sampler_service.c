#define _GNU_SOURCE
#include "sampler_service.h"

#include "clock.h"
#include "interpreter.h"
#include "sampler_hooks.h"

#include <string.h>

enum failure { FINE, NO_HOOKS, NO_MEMORY, NOT_SAMPLING, BAD_RATE };

struct sample_request {
    uint64_t mean_bytes;
    uint64_t seed;
};

struct sample_state {
    uint32_t failure;
    uint8_t places[4]; /* enum ls_hook_place, by domain */
    uint64_t elapsed_ns;
    struct ls_sampler_totals totals;
    uint32_t functions, stacks, alive, padding;
};

_Static_assert(sizeof(struct sample_request) == 16, "the controller packs 16 bytes");
_Static_assert(sizeof(struct sample_state) == 72, "the controller unpacks 72 bytes");
_Static_assert(sizeof(struct ls_sample) == 24, "the controller unpacks 24 bytes");

#define LARGEST_MEAN ((uint64_t)1 << 40)

static bool sampling;
static bool hooked; /* ever */
static uint64_t since_ns;

static void answer(struct message *reply, const struct sample_state *state) {
    if (message_allocate(reply, sizeof *state))
        memcpy(reply->body, state, sizeof *state);
    else
        reply->header.status = STATUS_NO_MEMORY;
}

static enum failure start(const struct sample_request *asked) {
    if (asked->mean_bytes == 0 || asked->mean_bytes > LARGEST_MEAN)
        return BAD_RATE;
    if (ls_layout_prepare() != LS_OK)
        return NO_HOOKS;
    if (sampling)
        ls_samples_close();
    sampling = false;
    if (!ls_samples_open(asked->mean_bytes, asked->seed))
        return NO_MEMORY;
    hooked = true;
    if (!ls_hooks_install()) {
        ls_samples_close();
        return NO_HOOKS;
    }
    sampling = true;
    since_ns = now_ns();
    return FINE;
}

void sampler_serve_start(const struct message *request, struct message *reply) {
    struct sample_request asked;
    struct sample_state state = {0};
    struct entry entry;
    if (request->header.length != sizeof asked) {
        reply->header.status = STATUS_BAD_REQUEST;
        return;
    }
    memcpy(&asked, request->body, sizeof asked);
    if (!interpreter_enter(&entry, reply))
        return;
    if (ls_hooks_must_wait()) {
        interpreter_leave(&entry, reply);
        if (!ls_threads_are_clear(&ls_in_raw)) {
            state.failure = NO_HOOKS;
            answer(reply, &state);
            return;
        }
        if (!interpreter_enter(&entry, reply))
            return;
    }
    state.failure = start(&asked);
    ls_hooks_locate(state.places);
    interpreter_leave(&entry, reply);
    answer(reply, &state);
}

/* The lock is held. */
static void write_all(struct sample_state *state, struct message *reply) {
    state->totals = *ls_samples_totals();
    state->functions = ls_function_count();
    state->stacks = ls_stack_count_all();
    state->alive = ls_samples_alive();
    size_t size =
        sizeof *state + ls_stacks_size() + (size_t)state->alive * sizeof(struct ls_sample);
    if (!message_allocate(reply, size)) {
        reply->header.status = STATUS_NO_MEMORY;
        return;
    }
    memcpy(reply->body, state, sizeof *state);
    ls_samples_write(ls_stacks_write(reply->body + sizeof *state));
}

void sampler_serve_read(const struct message *request, struct message *reply) {
    struct sample_state state = {.failure = NOT_SAMPLING};
    struct entry entry;
    (void)request;
    if (!sampling) {
        answer(reply, &state);
        return;
    }
    if (!interpreter_enter(&entry, reply))
        return;
    ls_hooks_locate(state.places);
    interpreter_leave(&entry, reply);
    state.failure = FINE;
    state.elapsed_ns = now_ns() - since_ns;
    pthread_mutex_lock(&ls_sampler_lock);
    write_all(&state, reply);
    pthread_mutex_unlock(&ls_sampler_lock);
}

/* The GIL is held. */
static void stop(void) {
    ls_hooks_remove();
    ls_samples_close();
    sampling = false;
}

void sampler_serve_stop(const struct message *request, struct message *reply) {
    struct sample_state state = {.failure = sampling ? FINE : NOT_SAMPLING};
    struct entry entry;
    (void)request;
    if (sampling) {
        if (!interpreter_enter(&entry, reply))
            return;
        stop();
        ls_hooks_locate(state.places);
        interpreter_leave(&entry, reply);
    }
    answer(reply, &state);
}

bool sampler_forget(void) {
    struct message unsent = {0};
    struct entry entry;
    if (!hooked)
        return true;
    if (!interpreter_enter(&entry, &unsent))
        return false;
    stop();
    interpreter_leave(&entry, &unsent);
    return ls_hooks_are_gone();
}

void sampler_in_forked_child(void) { ls_samples_in_forked_child(); }
