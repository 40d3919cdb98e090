/* Sampling as requests of the wire protocol. Agent's thread, without the GIL. */
#ifndef LEAKSCOPE_SAMPLER_SERVICE_H
#define LEAKSCOPE_SAMPLER_SERVICE_H

#include "wire.h"

/* OP_SAMPLE_START: struct sample_request; struct sample_state. */
void sampler_serve_start(const struct message *request, struct message *reply);
/* OP_SAMPLE_READ: struct sample_state, functions, stacks, samples. */
void sampler_serve_read(const struct message *request, struct message *reply);
/* OP_SAMPLE_STOP: struct sample_state, of what is left. */
void sampler_serve_stop(const struct message *request, struct message *reply);

/* Stop, if anything is sampled. False if this object must stay loaded. */
bool sampler_forget(void);
void sampler_in_forked_child(void);

#endif
