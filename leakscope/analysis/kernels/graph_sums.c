/* Sums over dominator trees. Plain C: see graph.h for what holds everywhere.
 *
 * Every node comes after its dominator in `order`, so one pass from its end sums all subtrees.
 */
#include "graph.h"

#include <string.h>

static int check_tree(int64_t nodes, const int32_t *dominator, const int32_t *order,
                      int64_t reached) {
    if (nodes < 0 || nodes >= INT32_MAX || reached < 0 || reached > nodes)
        return GRAPH_MALFORMED;
    if (graph_check_ids(dominator, nodes, GRAPH_UNREACHED, nodes) != GRAPH_OK)
        return GRAPH_MALFORMED;
    return graph_check_ids(order, reached, 0, nodes);
}

static void add_saturating(int64_t *sum, int64_t part) {
    if (__builtin_add_overflow(*sum, part, sum))
        *sum = part > 0 ? INT64_MAX : INT64_MIN;
}

int graph_subtree_sums(int64_t nodes, const int32_t *dominator, const int32_t *order,
                       int64_t reached, const int64_t *weights, int64_t *sums) {
    if (check_tree(nodes, dominator, order, reached) != GRAPH_OK)
        return GRAPH_MALFORMED;
    memset(sums, 0, sizeof *sums * (size_t)nodes);
    for (int64_t i = 0; i < reached; i++)
        sums[order[i]] = weights[order[i]];
    for (int64_t i = reached - 1; i >= 0; i--)
        if (dominator[order[i]] >= 0)
            add_saturating(&sums[dominator[order[i]]], sums[order[i]]);
    return GRAPH_OK;
}

int graph_claims(int64_t nodes, const int32_t *dominator, const int32_t *order, int64_t reached,
                 const int64_t *weights, int64_t threshold, uint8_t *claimed, int64_t *amounts) {
    if (check_tree(nodes, dominator, order, reached) != GRAPH_OK)
        return GRAPH_MALFORMED;
    memset(amounts, 0, sizeof *amounts * (size_t)nodes);
    for (int64_t i = 0; i < reached; i++)
        if (weights[order[i]] > 0)
            amounts[order[i]] = weights[order[i]];
    for (int64_t i = reached - 1; i >= 0; i--) {
        int32_t u = order[i];
        if (amounts[u] >= threshold)
            claimed[u] = 1;
        if (claimed[u])
            continue;
        if (dominator[u] >= 0)
            add_saturating(&amounts[dominator[u]], amounts[u]);
        amounts[u] = 0;
    }
    return GRAPH_OK;
}
