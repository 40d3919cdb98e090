/* The frozen heap as requests of the wire protocol. Agent's thread, without the GIL. */
#ifndef LEAKSCOPE_HEAP_SERVICE_H
#define LEAKSCOPE_HEAP_SERVICE_H

#include "wire.h"

/* OP_HEAP_FREEZE. The reply carries the controller's end of the stream if the heap was frozen. */
void heap_serve_freeze(const struct message *request, struct message *reply);

/* OP_HEAP_REAP. */
void heap_serve_reap(const struct message *request, struct message *reply);

/* End and reap the frozen copy, if there is one. */
void heap_forget(void);

#endif
