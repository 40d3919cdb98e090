/* Breadth-first searches. Plain C: see graph.h for what holds everywhere. */
#include "graph.h"

#include <stdlib.h>
#include <string.h>

enum { UNSEEN = 0, SEEN = 1, BLOCKED = 2 };

typedef struct {
    const graph *graph;
    uint8_t *seen;
    int32_t *parent; /* or NULL */
    int32_t *origin; /* or NULL */
    int32_t *queue;  /* every node enters it once at most */
    int64_t head, tail;
} search;

static void enter(search *s, int32_t node, int32_t parent, int32_t origin) {
    s->seen[node] = SEEN;
    if (s->parent)
        s->parent[node] = parent;
    if (s->origin)
        s->origin[node] = origin;
    s->queue[s->tail++] = node;
}

static void exhaust(search *s) {
    const graph *g = s->graph;
    while (s->head < s->tail) {
        int32_t u = s->queue[s->head++];
        int32_t origin = s->origin ? s->origin[u] : 0;
        for (int64_t e = g->offsets[u]; e < g->offsets[u + 1]; e++)
            if (s->seen[g->targets[e]] == UNSEEN)
                enter(s, g->targets[e], u, origin);
    }
}

/* The number of starts, or GRAPH_MALFORMED. */
static int64_t starts_in(const int64_t *stage_ends, int64_t stages, int64_t limit) {
    int64_t end = 0;
    for (int64_t i = 0; i < stages; i++) {
        if (stage_ends[i] < end || stage_ends[i] > limit)
            return GRAPH_MALFORMED;
        end = stage_ends[i];
    }
    return end;
}

static void forget(int32_t *ids, int64_t count) {
    for (int64_t i = 0; ids && i < count; i++)
        ids[i] = GRAPH_UNREACHED;
}

int graph_traverse(const graph *g, const int32_t *starts, const int64_t *stage_ends, int64_t stages,
                   const uint8_t *blocked, uint8_t *seen, int32_t *parent, int32_t *origin) {
    if (graph_check(g) != GRAPH_OK)
        return GRAPH_MALFORMED;
    int64_t count = starts_in(stage_ends, stages, INT32_MAX);
    if (count < 0 || graph_check_ids(starts, count, 0, g->nodes) != GRAPH_OK)
        return GRAPH_MALFORMED;
    int32_t *queue = malloc(sizeof *queue * (size_t)(g->nodes + 1));
    if (!queue)
        return GRAPH_NO_MEMORY;
    search s = {.graph = g, .seen = seen, .parent = parent, .origin = origin, .queue = queue};
    for (int64_t u = 0; u < g->nodes; u++)
        seen[u] = blocked && blocked[u] ? BLOCKED : UNSEEN;
    forget(parent, g->nodes);
    forget(origin, g->nodes);
    int64_t next = 0;
    for (int64_t stage = 0; stage < stages; stage++) {
        for (; next < stage_ends[stage]; next++)
            if (seen[starts[next]] == UNSEEN)
                enter(&s, starts[next], GRAPH_SUPER_ROOT, (int32_t)next);
        exhaust(&s);
    }
    for (int64_t u = 0; u < g->nodes; u++)
        seen[u] &= SEEN;
    free(queue);
    return GRAPH_OK;
}

static void carry(const graph *later, const graph *earlier, const int32_t *match, int32_t *queue,
                  int64_t tail, int32_t *held_by, uint8_t *carried) {
    for (int64_t head = 0; head < tail; head++) {
        int32_t u = queue[head], was = match[u];
        for (int64_t e = earlier->offsets[was]; e < earlier->offsets[was + 1]; e++)
            held_by[earlier->targets[e]] = u;
        for (int64_t e = later->offsets[u]; e < later->offsets[u + 1]; e++) {
            int32_t v = later->targets[e];
            if (carried[v] || match[v] < 0 || held_by[match[v]] != u)
                continue;
            carried[v] = 1;
            queue[tail++] = v;
        }
    }
}

int graph_carried(const graph *later, const graph *earlier, const int32_t *match,
                  const int32_t *starts, int64_t count, uint8_t *carried) {
    if (graph_check(later) != GRAPH_OK || graph_check(earlier) != GRAPH_OK ||
        graph_check_ids(match, later->nodes, -1, earlier->nodes) != GRAPH_OK || count < 0 ||
        graph_check_ids(starts, count, 0, later->nodes) != GRAPH_OK)
        return GRAPH_MALFORMED;
    int32_t *queue = malloc(sizeof *queue * (size_t)(later->nodes + 1));
    int32_t *held_by = malloc(sizeof *held_by * (size_t)(earlier->nodes + 1));
    int status = queue && held_by ? GRAPH_OK : GRAPH_NO_MEMORY;
    if (status == GRAPH_OK) {
        memset(carried, 0, (size_t)later->nodes);
        forget(held_by, earlier->nodes);
        int64_t tail = 0;
        for (int64_t i = 0; i < count; i++)
            if (match[starts[i]] >= 0 && !carried[starts[i]]) {
                carried[starts[i]] = 1;
                queue[tail++] = starts[i];
            }
        carry(later, earlier, match, queue, tail, held_by, carried);
    }
    free(queue);
    free(held_by);
    return status;
}
