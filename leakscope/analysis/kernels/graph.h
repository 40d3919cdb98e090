/* Graph kernels on compressed sparse row arrays, called from kernels/__init__.py through ctypes.
 *
 * A graph has nodes 0 … n-1; the edges of node u lead to targets[offsets[u]] …
 * targets[offsets[u + 1] - 1]. Node ids are 32 bits wide, edge numbers 64.
 *
 * Every kernel is iterative, checks its input before it follows it (arrays may come from a
 * hostile file), checks every allocation, frees what it allocated whatever happens, keeps no
 * state and calls nothing but the C library: it may run in any thread, without the GIL.
 * Lengths of arrays are the caller's promise; what is in them is not.
 */
#ifndef LEAKSCOPE_GRAPH_H
#define LEAKSCOPE_GRAPH_H

#include <stdint.h>

#define GRAPH_API __attribute__((visibility("default")))

/* Changes with every signature below, so that a library left over from another version is told. */
#define GRAPH_ABI 2

enum graph_status { GRAPH_OK = 0, GRAPH_MALFORMED = -1, GRAPH_NO_MEMORY = -2 };

/* What immediate dominators (and parents) hold where there is no node to name. */
enum { GRAPH_SUPER_ROOT = -1, GRAPH_UNREACHED = -2 };

typedef struct {
    int64_t nodes; /* at most INT32_MAX - 1 */
    int64_t edges;
    const int64_t *offsets; /* nodes + 1 of them */
    const int32_t *targets; /* edges of them */
} graph;

GRAPH_API int32_t graph_abi(void);

/* GRAPH_OK if offsets run from 0 to `edges` without falling and every target is a node. */
GRAPH_API int graph_check(const graph *g);

/* GRAPH_OK if every one of `count` ids lies in [lowest, nodes). */
int graph_check_ids(const int32_t *ids, int64_t count, int32_t lowest, int64_t nodes);

/* The same edges, turned round. offsets: nodes + 1; targets: edges. Sources ascend. */
GRAPH_API int graph_transpose(const graph *g, int64_t *offsets, int32_t *targets);

/* Members of each of `groups` groups, ascending; keys outside [0, groups) belong to none.
 * offsets: groups + 1; members: as many as there are keys in range, at most `count`. */
GRAPH_API int graph_group(const int32_t *keys, int64_t count, int64_t groups, int64_t *offsets,
                          int32_t *members);

/* Breadth-first search in stages: all that the starts of one stage reach is taken before those
 * of the next begin. stage_ends: where each stage ends in `starts`, never falling, the last one
 * being the number of starts. Nodes whose `blocked` (may be NULL) is not 0 are never entered.
 * seen: nodes, becomes 1 where reached and else 0. parent and origin (may be NULL): nodes;
 * parent becomes the node it was reached from, GRAPH_SUPER_ROOT for a start, GRAPH_UNREACHED;
 * origin the index in `starts` of the start it was reached from, GRAPH_UNREACHED. */
GRAPH_API int graph_traverse(const graph *g, const int32_t *starts, const int64_t *stage_ends,
                             int64_t stages, const uint8_t *blocked, uint8_t *seen, int32_t *parent,
                             int32_t *origin);

/* Which nodes of `later` are still held as they were in `earlier`: reached from `starts` along
 * references that are in both graphs. match: for each later node the earlier node it may be the
 * same as, or -1. carried: later nodes, becomes 0 or 1. */
GRAPH_API int graph_carried(const graph *later, const graph *earlier, const int32_t *match,
                            const int32_t *starts, int64_t count, uint8_t *carried);

/* Which of `count` tasks can go on: what they wait for is reached from `starts`, on ways that lead
 * through no task but those that can go on. tasks: nodes, each once; awaited: for each the node
 * that it waits for, or -1 for one that nothing wakes. woken: tasks, becomes 0 or 1. */
GRAPH_API int graph_woken(const graph *g, const int32_t *starts, int64_t starts_count,
                          const int32_t *tasks, const int32_t *awaited, int64_t count,
                          uint8_t *woken);

/* Immediate dominators under a super root that leads to all `roots`. incoming: `outgoing` turned
 * round. dominator: nodes. order: nodes, its first *reached entries become the reachable nodes,
 * every one after its dominator. */
GRAPH_API int graph_dominators(const graph *outgoing, const graph *incoming, const int32_t *roots,
                               int64_t count, int32_t *dominator, int32_t *order, int64_t *reached);

/* Sums of weights over the subtrees of a dominator tree, saturating; 0 for what is not in it. */
GRAPH_API int graph_subtree_sums(int64_t nodes, const int32_t *dominator, const int32_t *order,
                                 int64_t reached, const int64_t *weights, int64_t *sums);

/* Hierarchical heavy hitters: from the leaves up, a node that gathers at least `threshold`, or was
 * claimed before, keeps what it gathered; any other passes it on to its dominator. Weights below
 * 0 count as 0. claimed: nodes, in and out; amounts: nodes, what claimed nodes keep, else 0. */
GRAPH_API int graph_claims(int64_t nodes, const int32_t *dominator, const int32_t *order,
                           int64_t reached, const int64_t *weights, int64_t threshold,
                           uint8_t *claimed, int64_t *amounts);

#endif
