/* Exact dominators by semi-NCA. Plain C: see graph.h for what holds everywhere.
 *
 * L. Georgiadis, "Linear-Time Algorithms for Dominators and Related Problems", Princeton 2005,
 * section 2.3: semidominators as Lengauer and Tarjan compute them, with path compression, then
 * each immediate dominator as nearest common ancestor in the tree built so far. All loops are
 * iterative. Beyond its results a run takes 20 bytes per node.
 *
 * Reachable nodes are numbered 1 … reached in depth-first preorder; 0 is the super root.
 */
#include "graph.h"

#include <stdlib.h>
#include <string.h>

typedef struct {
    int32_t *number;    /* by node; 0 where not reached */
    int32_t *node;      /* by number - 1 */
    int32_t *ancestor;  /* depth-first parent, later compressed */
    int32_t *dominator; /* depth-first parent, later the dominator */
    int64_t *next;      /* edge to follow next; its memory then serves semi and label */
    int32_t *semi;      /* semidominator */
    int32_t *label;     /* least semidominator on the compressed way up */
    int32_t *stack;
    int32_t count;
} forest;

static void number_from(forest *f, const graph *g, int32_t root) {
    int32_t at = ++f->count;
    f->number[root] = at;
    f->node[at - 1] = root;
    f->ancestor[at] = 0;
    f->next[at] = g->offsets[root];
    while (at) {
        int32_t u = f->node[at - 1];
        if (f->next[at] == g->offsets[u + 1]) {
            at = f->ancestor[at];
            continue;
        }
        int32_t v = g->targets[f->next[at]++];
        if (f->number[v])
            continue;
        int32_t fresh = ++f->count;
        f->number[v] = fresh;
        f->node[fresh - 1] = v;
        f->ancestor[fresh] = at;
        f->next[fresh] = g->offsets[v];
        at = fresh;
    }
}

/* The least semidominator on the way from `v` up to, not including, numbers up to `w`. */
static int32_t least_semi(forest *f, int32_t v, int32_t w) {
    if (v <= w)
        return v;
    int64_t depth = 0;
    while (f->ancestor[v] > w) {
        f->stack[depth++] = v;
        v = f->ancestor[v];
    }
    int32_t best = f->label[v], top = f->ancestor[v];
    while (depth) {
        int32_t x = f->stack[--depth];
        if (f->label[x] < best)
            best = f->label[x];
        f->label[x] = best;
        f->ancestor[x] = top;
    }
    return best;
}

static void find_semidominators(forest *f, const graph *incoming) {
    for (int32_t w = f->count; w > 0; w--) {
        int32_t least = f->semi[w], u = f->node[w - 1];
        for (int64_t e = incoming->offsets[u]; e < incoming->offsets[u + 1]; e++) {
            int32_t v = f->number[incoming->targets[e]];
            if (!v)
                continue;
            int32_t semi = least_semi(f, v, w);
            if (semi < least)
                least = semi;
        }
        f->semi[w] = f->label[w] = least;
    }
}

static void find_dominators(forest *f) {
    for (int32_t w = 1; w <= f->count; w++) {
        int32_t x = f->dominator[w];
        while (x > f->semi[w])
            x = f->dominator[x];
        f->dominator[w] = x;
    }
}

static void solve(forest *f, const graph *outgoing, const graph *incoming, const int32_t *roots,
                  int64_t count) {
    int64_t slots = outgoing->nodes + 1;
    memset(f->number, 0, sizeof *f->number * (size_t)outgoing->nodes);
    for (int64_t i = 0; i < count; i++)
        if (!f->number[roots[i]])
            number_from(f, outgoing, roots[i]);
    memcpy(f->dominator, f->ancestor, sizeof *f->dominator * (size_t)slots);
    f->semi = (int32_t *)f->next;
    f->label = f->semi + slots;
    for (int32_t w = 0; w <= f->count; w++)
        f->semi[w] = f->label[w] = w;
    for (int64_t i = 0; i < count; i++)
        f->semi[f->number[roots[i]]] = 0;
    find_semidominators(f, incoming);
    find_dominators(f);
}

int graph_dominators(const graph *outgoing, const graph *incoming, const int32_t *roots,
                     int64_t count, int32_t *dominator, int32_t *order, int64_t *reached) {
    if (graph_check(outgoing) != GRAPH_OK || graph_check(incoming) != GRAPH_OK ||
        incoming->nodes != outgoing->nodes || incoming->edges != outgoing->edges || count < 0 ||
        graph_check_ids(roots, count, 0, outgoing->nodes) != GRAPH_OK)
        return GRAPH_MALFORMED;
    size_t slots = (size_t)outgoing->nodes + 1;
    /* Until they are known, the place of the dominators serves for the numbers. */
    forest f = {.number = dominator, .node = order};
    f.ancestor = calloc(slots, sizeof *f.ancestor);
    f.dominator = malloc(slots * sizeof *f.dominator);
    f.next = malloc(slots * sizeof *f.next);
    f.stack = malloc(slots * sizeof *f.stack);
    int status = f.ancestor && f.dominator && f.next && f.stack ? GRAPH_OK : GRAPH_NO_MEMORY;
    if (status == GRAPH_OK) {
        solve(&f, outgoing, incoming, roots, count);
        for (int64_t u = 0; u < outgoing->nodes; u++)
            dominator[u] = GRAPH_UNREACHED;
        for (int32_t w = 1; w <= f.count; w++)
            dominator[order[w - 1]] = f.dominator[w] ? order[f.dominator[w] - 1] : GRAPH_SUPER_ROOT;
        *reached = f.count;
    }
    free(f.ancestor);
    free(f.dominator);
    free(f.next);
    free(f.stack);
    return status;
}
