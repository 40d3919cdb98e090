/* Greenlets: calls that are suspended outside of every thread. Child only.
 *
 * What the variables of these calls refer to is held by the greenlet, and its tp_traverse does not
 * say so: the collector need not know what is alive in any case. Where its innermost call is
 * differs between versions of greenlet; the attribute `gr_frame` has always told it, so its getter
 * is called. That reads a field and takes a reference, which is given back: nothing else changes,
 * and no Python code runs. Types are known by that attribute, whatever they are called. */
#include "heap_names.h"

#include <string.h>

enum { OWNED_BY_GENERATOR = 1 };
enum { GETSET_BYTES = 40, GETSET_GET = 8 };

ls_getter ls_greenlet_getter(ls_object type) {
    ls_getter getter = NULL;
    for (ls_object base = type; base != 0 && getter == NULL; base = LS_POINTER(base, LS_TP_BASE)) {
        uintptr_t entry = LS_POINTER(base, LS_TP_GETSET);
        for (; entry != 0 && LS_POINTER(entry, 0) != 0; entry += GETSET_BYTES)
            if (strcmp((const char *)LS_POINTER(entry, 0), "gr_frame") == 0)
                memcpy(&getter, (void *)(entry + GETSET_GET), sizeof getter);
    }
    return getter;
}

/* Undo what a getter did to the object that it returned, which is held by somebody else. */
static void give_back(ls_object object) {
    if (ls_python.at.minor <= 11)
        LS_FIELD(int64_t, object, 0)--;
    else if (LS_FIELD(int32_t, object, 0) > 1) /* else it is immortal */
        LS_FIELD(int32_t, object, 0)--;
}

/* Whether there is a call in what should be a frame. From 3.12 on a frame may be followed by one on
 * the thread's stack, where others run now; versions of greenlet that do not lead around these
 * are not to lead us anywhere. */
static int is_call(uintptr_t frame) {
    const struct ls_offsets *at = &ls_python.at;
    if (!ls_readable(frame, at->frame_locals))
        return 0;
    if (at->minor >= 11 && LS_FIELD(uint8_t, frame, at->frame_owner) > OWNED_BY_GENERATOR)
        return 0;
    ls_object code = LS_POINTER(frame, at->frame_code) & ~(uintptr_t)7;
    return ls_readable(code, LS_OB_SIZE) && ls_code_of_running(frame) != 0;
}

static uintptr_t asked_frame(ls_object greenlet, const struct ls_type *type) {
    ls_object frame = type->frame_getter(greenlet, NULL);
    if (!ls_plausible(frame))
        return 0;
    give_back(frame);
    if (LS_POINTER(frame, LS_OB_TYPE) != ls_python.frame_type)
        return 0;
    return ls_python.at.minor <= 10 ? frame : LS_POINTER(frame, ls_python.at.frameobject_frame);
}

uintptr_t ls_greenlet_frame(ls_object greenlet, const struct ls_type *type) {
    ls_traversed = type;
    uintptr_t frame = asked_frame(greenlet, type);
    ls_traversed = NULL;
    return is_call(frame) ? frame : 0;
}

uintptr_t ls_greenlet_frame_before(uintptr_t frame) {
    frame = ls_frame_before(frame);
    return is_call(frame) ? frame : 0;
}

/* What has a tag (3.14+) is held by somebody else, or need not be. */
static void visit_variables(uintptr_t frame, ls_visit visit, void *context) {
    const struct ls_offsets *at = &ls_python.at;
    struct ls_call call;
    visit(ls_code_of_running(frame), context);
    ls_visit_plausible(LS_POINTER(frame, at->frame_function), visit, context);
    ls_visit_plausible(LS_POINTER(frame, at->frame_locals_dict), visit, context);
    ls_visit_plausible(LS_POINTER(frame, at->frame_object), visit, context);
    if (ls_call_of_frame(frame, &call))
        for (uint32_t i = 0; i < call.count; i++)
            ls_visit_plausible(LS_POINTER(call.locals, i * sizeof frame), visit, context);
}

static int is_of_generator(uintptr_t frame) {
    return ls_python.at.minor >= 11 &&
           LS_FIELD(uint8_t, frame, ls_python.at.frame_owner) == OWNED_BY_GENERATOR;
}

/* Whether tp_traverse visits the calls itself, as greenlet does on 3.15. */
static int tells_itself(ls_object greenlet, const struct ls_type *type, uintptr_t frame) {
    while (frame != 0 && is_of_generator(frame))
        frame = ls_greenlet_frame_before(frame);
    if (frame == 0)
        return 0;
    ls_object mark = ls_python.at.minor <= 10 ? frame : ls_code_of_running(frame);
    return ls_traverse_visits(greenlet, type, mark);
}

void ls_greenlet_calls(ls_object greenlet, const struct ls_type *type, ls_visit visit,
                       void *context) {
    uintptr_t frame = ls_greenlet_frame(greenlet, type);
    if (tells_itself(greenlet, type, frame))
        return;
    for (; frame != 0; frame = ls_greenlet_frame_before(frame))
        if (ls_python.at.minor <= 10)
            visit(frame, context); /* it has the variables */
        else if (is_of_generator(frame))
            visit(frame - ls_python.at.gen_frame, context); /* so has the generator */
        else
            visit_variables(frame, visit, context);
}
