/* Who can still be woken. Plain C: see graph.h for what holds everywhere. */
#include "graph.h"

#include <stdlib.h>
#include <string.h>

typedef struct {
    const graph *graph;
    const int32_t *tasks;
    uint8_t *woken;
    uint8_t *seen;
    int32_t *task_at; /* by node: the index of the task that it is, or -1 */
    int32_t *first;   /* by node: the first of the tasks that wait for it, or -1 */
    int32_t *next;    /* by task: the next that waits for the same, or -1 */
    int32_t *queue;   /* every node enters it once at most */
    int64_t head, tail;
} search;

/* A task that was come to before it could go on stands back until it can. */
static void enter(search *s, int32_t node) {
    s->seen[node] = 1;
    if (s->task_at[node] < 0 || s->woken[s->task_at[node]])
        s->queue[s->tail++] = node;
    for (int32_t task = s->first[node]; task >= 0; task = s->next[task]) {
        if (s->woken[task])
            continue;
        s->woken[task] = 1;
        int32_t at = s->tasks[task];
        if (s->seen[at])
            s->queue[s->tail++] = at;
    }
}

static int note_tasks(search *s, const int32_t *awaited, int64_t count) {
    for (int64_t i = count - 1; i >= 0; i--) {
        if (s->task_at[s->tasks[i]] >= 0)
            return GRAPH_MALFORMED; /* twice */
        s->task_at[s->tasks[i]] = (int32_t)i;
        if (awaited[i] < 0)
            continue;
        s->next[i] = s->first[awaited[i]];
        s->first[awaited[i]] = (int32_t)i;
    }
    return GRAPH_OK;
}

static void exhaust(search *s) {
    const graph *g = s->graph;
    while (s->head < s->tail) {
        int32_t u = s->queue[s->head++];
        for (int64_t e = g->offsets[u]; e < g->offsets[u + 1]; e++)
            if (!s->seen[g->targets[e]])
                enter(s, g->targets[e]);
    }
}

static int run(search *s, const int32_t *starts, int64_t starts_count, const int32_t *awaited,
               int64_t count) {
    int64_t nodes = s->graph->nodes;
    memset(s->seen, 0, (size_t)nodes);
    memset(s->woken, 0, (size_t)count);
    memset(s->task_at, 0xff, sizeof *s->task_at * (size_t)nodes);
    memset(s->first, 0xff, sizeof *s->first * (size_t)nodes);
    memset(s->next, 0xff, sizeof *s->next * (size_t)count);
    if (note_tasks(s, awaited, count) != GRAPH_OK)
        return GRAPH_MALFORMED;
    for (int64_t i = 0; i < starts_count; i++)
        if (!s->seen[starts[i]])
            enter(s, starts[i]);
    exhaust(s);
    return GRAPH_OK;
}

int graph_woken(const graph *g, const int32_t *starts, int64_t starts_count, const int32_t *tasks,
                const int32_t *awaited, int64_t count, uint8_t *woken) {
    if (graph_check(g) != GRAPH_OK || starts_count < 0 || count < 0 || count > g->nodes ||
        graph_check_ids(starts, starts_count, 0, g->nodes) != GRAPH_OK ||
        graph_check_ids(tasks, count, 0, g->nodes) != GRAPH_OK ||
        graph_check_ids(awaited, count, -1, g->nodes) != GRAPH_OK)
        return GRAPH_MALFORMED;
    size_t nodes = (size_t)g->nodes + 1;
    search s = {.graph = g, .tasks = tasks, .woken = woken};
    s.seen = malloc(nodes);
    s.task_at = malloc(sizeof *s.task_at * nodes);
    s.first = malloc(sizeof *s.first * nodes);
    s.next = malloc(sizeof *s.next * ((size_t)count + 1));
    s.queue = malloc(sizeof *s.queue * nodes);
    int status = GRAPH_NO_MEMORY;
    if (s.seen && s.task_at && s.first && s.next && s.queue)
        status = run(&s, starts, starts_count, awaited, count);
    free(s.seen);
    free(s.task_at);
    free(s.first);
    free(s.next);
    free(s.queue);
    return status;
}
