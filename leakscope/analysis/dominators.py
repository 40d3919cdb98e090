"""Who alone keeps what alive: the dominator tree of a heap, and retained sizes.

An object dominates another if every way from any root to the other leads through it: were it
gone, the other would be freed. What an object retains is what it dominates, itself included.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from leakscope.analysis import kernels
from leakscope.analysis.heapgraph import HeapGraph
from leakscope.analysis.kernels import SUPER_ROOT, Amounts, Csr, Mask, Rows


@dataclass(frozen=True, slots=True)
class DominatorTree:
    """The immediate dominator of every live object of a heap."""

    immediate: Rows
    """By row; `SUPER_ROOT` where no single object dominates, `UNREACHED` for garbage."""
    order: Rows
    """The live objects, every one after its dominator."""

    def sums(self, weights: Amounts) -> Amounts:
        """Return for each object the weights of all it dominates, its own included.

        0 for garbage.
        """
        return kernels.subtree_sums(self.immediate, self.order, weights)

    def children(self) -> Csr:
        """Return what each object dominates immediately, ascending."""
        return kernels.group(self.immediate, len(self.immediate))

    def tops(self) -> Rows:
        """Return the objects that no single object dominates, ascending."""
        return np.flatnonzero(self.immediate == SUPER_ROOT).astype(np.int32)

    def above(self, row: int, limit: int = 1000) -> tuple[int, ...]:
        """Return what dominates an object, the nearest first, `limit` of them at most."""
        found: list[int] = []
        while len(found) < limit and (row := int(self.immediate[row])) >= 0:
            found.append(row)
        return tuple(found)


@dataclass(frozen=True, slots=True)
class DominatedHeap:
    """A heap with its dominator tree, which can be followed both ways."""

    graph: HeapGraph
    tree: DominatorTree
    children: Csr
    """`tree.children()`."""


def dominated_heap(heap: HeapGraph) -> DominatedHeap:
    """Return a heap together with its dominator tree."""
    tree = dominator_tree(heap)
    return DominatedHeap(heap, tree, tree.children())


def dominator_tree(heap: HeapGraph) -> DominatorTree:
    """Return the exact dominator tree of the live part of a heap."""
    return DominatorTree(*kernels.dominators(heap.outgoing, heap.incoming, heap.roots))


def retained_bytes(heap: HeapGraph, tree: DominatorTree) -> Amounts:
    """Return the bytes that would be freed with each object; 0 for garbage."""
    return tree.sums(heap.snapshot.size)


def retained_objects(tree: DominatorTree) -> Amounts:
    """Return how many objects would be freed with each object, itself included; 0 for garbage."""
    return tree.sums(np.ones(len(tree.immediate), np.int64))


def dominated_by(children: Csr, *rows: int) -> Mask:
    """Return which objects any of `rows` dominates, themselves included.

    `children` are those of the tree; given, so that they are computed once.
    """
    return kernels.reachable(children, np.array(rows, np.int32))
