"""Graph kernels: the loops over millions of objects, compiled, behind one numpy-typed module.

A graph is a `Csr`. Nodes are numbered from 0; every function takes and returns plain arrays of
one entry per node. Kernels check what they are given, so arrays from an untrusted file are safe:
a graph that contradicts itself raises `MalformedGraph`, never a crash.

The library is built with the package and loaded on first use. Without it (an install without a
C compiler) `available()` is false and every other function raises `KernelsMissing`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from leakscope.analysis.kernels.library import (
    GraphTooLarge,
    KernelsMissing,
    MalformedGraph,
    available,
    call,
    graph_view,
)

__all__ = [
    "SUPER_ROOT",
    "UNREACHED",
    "Csr",
    "GraphTooLarge",
    "KernelsMissing",
    "MalformedGraph",
    "Reached",
    "available",
    "carried",
    "check",
    "claims",
    "dominators",
    "group",
    "reachable",
    "subtree_sums",
    "transpose",
    "traverse",
    "woken",
]

SUPER_ROOT = -1
"""Stands for the node above all roots, where a parent or a dominator is named."""
UNREACHED = -2
"""Stands where there is no parent, origin or dominator, because no start leads to the node."""

Rows = npt.NDArray[np.int32]
Amounts = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Csr:
    """Edges in compressed sparse row form.

    Those of node `u` are `targets[offsets[u]:offsets[u + 1]]`. What is in the arrays is checked
    by every kernel that is given them.
    """

    offsets: Amounts
    """One more than there are nodes."""
    targets: Rows

    def __post_init__(self) -> None:
        if not len(self.offsets):
            raise MalformedGraph("the graph has no offsets")

    @property
    def nodes(self) -> int:
        """How many nodes there are."""
        return len(self.offsets) - 1

    def of(self, node: int) -> Rows:
        """Return where the edges of one node lead, in order."""
        return self.targets[self.offsets[node] : self.offsets[node + 1]]

    def of_all(self, nodes: Rows) -> tuple[Rows, Rows]:
        """Return (index into `nodes`, where the edge leads) for every edge of each of `nodes`."""
        starts = self.offsets[nodes]
        lengths = self.offsets[1:][nodes] - starts
        index = np.repeat(np.arange(len(nodes), dtype=np.int32), lengths)
        ends = np.cumsum(lengths)
        places = np.arange(len(index)) + np.repeat(starts - (ends - lengths), lengths)
        return index, self.targets[places]


@dataclass(frozen=True, slots=True)
class Reached:
    """What a search found, one entry per node."""

    seen: Mask
    parents: Rows
    """The node it was reached from: on the way back to a start. `SUPER_ROOT` for a start."""
    origins: Rows
    """Index of the start it was reached from, in the order in which starts were given."""


def check(graph: Csr) -> None:
    """Raise `MalformedGraph` unless offsets never fall and every target is a node."""
    call("graph_check", graph_view(graph.offsets, graph.targets))


def transpose(graph: Csr) -> Csr:
    """Return the same edges turned round; the sources of each node ascend."""
    view = graph_view(graph.offsets, graph.targets)
    turned = Csr(np.empty(graph.nodes + 1, np.int64), np.empty(len(graph.targets), np.int32))
    call("graph_transpose", view, turned.offsets, turned.targets)
    return turned


def group(keys: Rows, groups: int) -> Csr:
    """Return the indexes of `keys` by key, ascending; keys outside [0, groups) are left out."""
    keys = np.ascontiguousarray(keys, np.int32)
    offsets = np.empty(groups + 1, np.int64)
    members = np.empty(len(keys), np.int32)
    call("graph_group", keys, len(keys), groups, offsets, members)
    return Csr(offsets, members[: int(offsets[-1])])


def reachable(graph: Csr, starts: Rows, *, blocked: Mask | None = None) -> Mask:
    """Return which nodes `starts` lead to, themselves included; `blocked` ones are not entered."""
    seen = np.empty(graph.nodes, np.uint8)
    _traverse(graph, [starts], blocked, seen, None, None)
    return seen.view(np.bool_)


def traverse(graph: Csr, stages: Sequence[Rows], *, blocked: Mask | None = None) -> Reached:
    """Return what is reached from the starts, breadth first, one stage after the other.

    All that the first stage reaches, however far, is reached from it; the second stage only gets
    what is left, and so on. Within a stage every way is a shortest one; among equally short ways
    the start given first wins, then the reference that comes first. `blocked` nodes are never
    entered, not even as starts.
    """
    seen = np.empty(graph.nodes, np.uint8)
    parents = np.empty(graph.nodes, np.int32)
    origins = np.empty(graph.nodes, np.int32)
    _traverse(graph, stages, blocked, seen, parents, origins)
    return Reached(seen.view(np.bool_), parents, origins)


def _traverse(
    graph: Csr,
    stages: Sequence[Rows],
    blocked: Mask | None,
    seen: npt.NDArray[np.uint8],
    parents: Rows | None,
    origins: Rows | None,
) -> None:
    starts = np.concatenate([np.empty(0, np.int32), *stages]).astype(np.int32, copy=False)
    ends = np.cumsum([len(stage) for stage in stages], dtype=np.int64)
    closed = None if blocked is None else np.ascontiguousarray(blocked, np.bool_).view(np.uint8)
    if closed is not None and len(closed) != graph.nodes:
        raise MalformedGraph("which nodes are blocked is not said node by node")
    view = graph_view(graph.offsets, graph.targets)
    call("graph_traverse", view, starts, ends, len(ends), closed, seen, parents, origins)


def carried(later: Csr, earlier: Csr, match: Rows, starts: Rows) -> Mask:
    """Return which nodes of `later` are still held the way they were held in `earlier`.

    `match` has, for each node of `later`, the node of `earlier` it may be the same as, or -1.
    A start with a match is carried; so is a node with a match to which a carried node refers in
    both graphs.
    """
    match = np.ascontiguousarray(match, np.int32)
    starts = np.ascontiguousarray(starts, np.int32)
    if len(match) != later.nodes:
        raise MalformedGraph("matches are not given node by node")
    found = np.empty(later.nodes, np.uint8)
    call(
        "graph_carried",
        graph_view(later.offsets, later.targets),
        graph_view(earlier.offsets, earlier.targets),
        match,
        starts,
        len(starts),
        found,
    )
    return found.view(np.bool_)


def woken(graph: Csr, starts: Rows, tasks: Rows, awaited: Rows) -> Mask:
    """Return which of `tasks` can go on, one entry for each.

    One that waits for a node can if that is reached from `starts`, on ways that lead through no
    task but those that can go on. `awaited` is -1 for one that nothing wakes. Linear in the graph.
    """
    starts, tasks, awaited = (
        np.ascontiguousarray(rows, np.int32) for rows in (starts, tasks, awaited)
    )
    if len(tasks) != len(awaited):
        raise MalformedGraph("what is waited for is not given task by task")
    found = np.empty(len(tasks), np.uint8)
    view = graph_view(graph.offsets, graph.targets)
    call("graph_woken", view, starts, len(starts), tasks, awaited, len(tasks), found)
    return found.view(np.bool_)


def dominators(outgoing: Csr, incoming: Csr, roots: Rows) -> tuple[Rows, Rows]:
    """Return (immediate dominators, order) of what is reachable from `roots`.

    A dominator of a node is on every way from a root to it; the immediate one is the nearest.
    `SUPER_ROOT` where there is none but the roots together, `UNREACHED` where no root leads.
    `order` has the reachable nodes, every one after its dominator. `incoming` is `outgoing`
    turned round.
    """
    roots = np.ascontiguousarray(roots, np.int32)
    immediate = np.empty(outgoing.nodes, np.int32)
    order = np.empty(outgoing.nodes, np.int32)
    reached = np.zeros(1, np.int64)
    call(
        "graph_dominators",
        graph_view(outgoing.offsets, outgoing.targets),
        graph_view(incoming.offsets, incoming.targets),
        roots,
        len(roots),
        immediate,
        order,
        reached,
    )
    return immediate, order[: int(reached[0])]


def subtree_sums(immediate: Rows, order: Rows, weights: Amounts) -> Amounts:
    """Return for each node the weights of all it dominates, its own included.

    `immediate` and `order` are as `dominators` returns them. 0 for what is not reachable; sums
    that 64 bits cannot hold stop at the largest number that they can.
    """
    immediate = np.ascontiguousarray(immediate, np.int32)
    order = np.ascontiguousarray(order, np.int32)
    weights = np.ascontiguousarray(weights, np.int64)
    if len(weights) != len(immediate):
        raise MalformedGraph("weights are not given node by node")
    sums = np.empty(len(immediate), np.int64)
    call("graph_subtree_sums", len(immediate), immediate, order, len(order), weights, sums)
    return sums


def claims(
    immediate: Rows, order: Rows, weights: Amounts, threshold: int, *, forced: Mask | None = None
) -> tuple[Mask, Amounts]:
    """Return which nodes gather `threshold` or more, and how much each of them gathers.

    From the leaves up, a node gathers its own weight and what the nodes it dominates pass on; a
    node that gathers enough keeps it all, any other passes it on. So what is claimed is disjoint,
    and each claim is as deep as it can be (hierarchical heavy hitters). `forced` nodes keep what
    they gather however little. Weights below 0 count as 0.
    """
    immediate = np.ascontiguousarray(immediate, np.int32)
    order = np.ascontiguousarray(order, np.int32)
    weights = np.ascontiguousarray(weights, np.int64)
    claimed = np.zeros(len(immediate), np.uint8) if forced is None else forced.astype(np.uint8)
    if len(weights) != len(immediate) or len(claimed) != len(immediate):
        raise MalformedGraph("weights are not given node by node")
    amounts = np.empty(len(immediate), np.int64)
    call(
        "graph_claims",
        len(immediate),
        immediate,
        order,
        len(order),
        weights,
        threshold,
        claimed,
        amounts,
    )
    return claimed.view(np.bool_), amounts
