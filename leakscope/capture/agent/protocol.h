/* What the agent and its controller say to each other over their unix socket.
 *
 * Every message is a header and `length` bytes. The controller asks, the agent answers each request
 * with the same opcode and sequence number; only the first message, HELLO, comes unasked. All
 * numbers are in the byte order of the machine that both run on. leakscope/capture/wire.py is the
 * other side; a change here changes PROTOCOL_VERSION in both.
 */
#ifndef LEAKSCOPE_PROTOCOL_H
#define LEAKSCOPE_PROTOCOL_H

#include <stdint.h>

#define PROTOCOL_MAGIC "leakscop"
#define PROTOCOL_VERSION 2

#define REQUEST_LIMIT (8u << 20)
#define REPLY_LIMIT (64u << 20)
#define ERROR_LIMIT (64u << 10)

enum opcode {
    OP_HELLO = 1,
    OP_EXEC = 2,         /* run source text; the reply is what it left in `_reply` */
    OP_BYE = 3,          /* drop everything and go; the reply is the agent's last word */
    OP_HEAP_FREEZE = 4,  /* heap.h: struct ls_heap_request; struct ls_heap_opened and the stream */
    OP_HEAP_REAP = 5,    /* heap.h: milliseconds to wait; struct ls_heap_reaped */
    OP_SAMPLE_START = 6, /* sampler_service.c: struct sample_request; struct sample_state */
    OP_SAMPLE_READ = 7,  /* struct sample_state, functions, stacks, samples */
    OP_SAMPLE_STOP = 8,  /* struct sample_state */
};

enum status {
    STATUS_OK = 0,
    STATUS_RAISED = 1, /* the source raised: type name, NUL, text */
    STATUS_FINALIZING = 2,
    STATUS_TOO_LARGE = 3,
    STATUS_BAD_REQUEST = 4,
    STATUS_NO_MEMORY = 5,
};

struct frame_header {
    uint32_t length;
    uint16_t opcode;
    uint16_t status;
    uint32_t sequence;
    uint32_t reserved;
    uint64_t waited_ns; /* for the interpreter's lock */
    uint64_t held_ns;   /* holding it */
};

enum agent_kind { KIND_NATIVE = 1, KIND_PYTHON = 2 };

#define TOKEN_SIZE 48

struct hello {
    char magic[8];
    uint32_t version;
    uint32_t kind;
    int32_t pid;            /* as the target sees itself */
    uint32_t hexversion;    /* PY_VERSION_HEX, 0 if there is no interpreter to be found */
    char token[TOKEN_SIZE]; /* padded with NUL */
};

_Static_assert(sizeof(struct frame_header) == 32, "the controller unpacks 32 bytes");
_Static_assert(sizeof(struct hello) == 72, "the controller unpacks 72 bytes");

#endif
