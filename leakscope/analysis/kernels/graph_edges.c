/* Checking edges, turning them round, grouping. Plain C: see graph.h for what holds everywhere. */
#include "graph.h"

#include <string.h>

int32_t graph_abi(void) { return GRAPH_ABI; }

int graph_check_ids(const int32_t *ids, int64_t count, int32_t lowest, int64_t nodes) {
    for (int64_t i = 0; i < count; i++)
        if (ids[i] < lowest || ids[i] >= nodes)
            return GRAPH_MALFORMED;
    return GRAPH_OK;
}

int graph_check(const graph *g) {
    if (g->nodes < 0 || g->nodes >= INT32_MAX || g->edges < 0)
        return GRAPH_MALFORMED;
    if (g->offsets[0] != 0 || g->offsets[g->nodes] != g->edges)
        return GRAPH_MALFORMED;
    for (int64_t u = 0; u < g->nodes; u++)
        if (g->offsets[u] > g->offsets[u + 1])
            return GRAPH_MALFORMED;
    return graph_check_ids(g->targets, g->edges, 0, g->nodes);
}

/* Turns how many members each group has into where each group ends. */
static void ends_from_counts(int64_t *counts, int64_t groups) {
    for (int64_t i = 1; i < groups; i++)
        counts[i] += counts[i - 1];
}

int graph_transpose(const graph *g, int64_t *offsets, int32_t *targets) {
    if (graph_check(g) != GRAPH_OK)
        return GRAPH_MALFORMED;
    memset(offsets, 0, sizeof *offsets * (size_t)(g->nodes + 1));
    for (int64_t e = 0; e < g->edges; e++)
        offsets[g->targets[e]]++;
    ends_from_counts(offsets, g->nodes);
    offsets[g->nodes] = g->edges;
    /* Filling every group from its end leaves its start behind, without a second array. */
    for (int64_t u = g->nodes - 1; u >= 0; u--)
        for (int64_t e = g->offsets[u + 1] - 1; e >= g->offsets[u]; e--)
            targets[--offsets[g->targets[e]]] = (int32_t)u;
    return GRAPH_OK;
}

int graph_group(const int32_t *keys, int64_t count, int64_t groups, int64_t *offsets,
                int32_t *members) {
    if (count < 0 || count >= INT32_MAX || groups < 0 || groups >= INT32_MAX)
        return GRAPH_MALFORMED;
    memset(offsets, 0, sizeof *offsets * (size_t)(groups + 1));
    int64_t total = 0;
    for (int64_t i = 0; i < count; i++)
        if (keys[i] >= 0 && keys[i] < groups) {
            offsets[keys[i]]++;
            total++;
        }
    ends_from_counts(offsets, groups);
    offsets[groups] = total;
    for (int64_t i = count - 1; i >= 0; i--)
        if (keys[i] >= 0 && keys[i] < groups)
            members[--offsets[keys[i]]] = (int32_t)i;
    return GRAPH_OK;
}
