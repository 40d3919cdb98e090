/* Questions about the frozen heap, answered while its copy waits. Child only. */
#include "heap.h"

void ls_names_serve(const struct ls_freeze *freeze) {
    (void)freeze;
    struct ls_frame request;
    while (ls_stream_read(&request, sizeof request))
        ls_child_fail(LS_FAIL_REQUEST); /* there are none yet */
}
