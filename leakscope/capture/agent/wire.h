/* Whole messages over the agent's socket, without ever blocking for good. */
#ifndef LEAKSCOPE_WIRE_H
#define LEAKSCOPE_WIRE_H

#include "protocol.h"

#include <stdbool.h>
#include <stddef.h>

/* A request or a reply: memory of its own, never from the target's heap. */
struct message {
    struct frame_header header;
    char *body;     /* `header.length` bytes and a NUL, or NULL */
    int descriptor; /* a file descriptor that goes with it, 0 for none; closed by message_free */
};

/* Connect to the controller; false if it is not there. Uses a high descriptor number. */
bool wire_connect(const char *path);

/* Close the socket. In a forked child this leaves the parent's connection alone. */
void wire_close(void);

/* End the connection for everybody who has the socket, then close it. */
void wire_shut_down(void);

/* Wait for the next request, for as long as it takes. False when the controller has gone, breaks
 * the protocol, or stops in the middle of a message. The body is the caller's to free. */
bool wire_receive(struct message *request);

/* Send all of `message`; false when the controller has gone or takes nothing for 30 seconds. */
bool wire_send(const struct message *message);

/* Give `message` a zeroed body of `size` bytes and a NUL; false if there is no memory. */
bool message_allocate(struct message *message, size_t size);
void message_free(struct message *message);

#endif
