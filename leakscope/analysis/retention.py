"""Why an object is alive: the references that lead to it from a root, and who else holds it.

Chains are rows, root first.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from leakscope.analysis import kernels
from leakscope.analysis.heapgraph import HeapGraph
from leakscope.analysis.kernels import SUPER_ROOT, Mask, Rows
from leakscope.model.heap import HeapSnapshot
from leakscope.model.typenames import bare, is_plumbing

Chain = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class RetentionPaths:
    """The shortest chain to every object, from the best root that leads to it."""

    parents: Rows
    """The object before it on its chain; `SUPER_ROOT` for where chains start, `UNREACHED`."""

    def to(self, row: int) -> Chain:
        """Return the chain to an object, both ends included; empty when there is none."""
        if self.parents[row] < SUPER_ROOT:
            return ()
        chain = [row]
        while (row := int(self.parents[row])) >= 0:
            chain.append(row)
        return tuple(reversed(chain))


def retention_paths(
    heap: HeapGraph, *, named: Sequence[Rows] | None = None, avoid: Iterable[int] = ()
) -> RetentionPaths:
    """Return the shortest chain to every live object.

    `named` are the objects at which a chain may start because they have a name, in classes, the
    best class first; modules, when it is left out. A chain starts in the first class that leads
    to its object, however long the way; where none does, it starts at any root. No chain leads
    through an object to `avoid`. Among equally short chains the one through lower rows wins.

    What an event loop waits for, and what a function's cache (`functools.lru_cache`) happens to
    remember, is badly named by them: a chain through such plumbing is taken only where no class of
    names, but the last, has another.
    """
    classes = [module_rows(heap.snapshot)] if named is None else named
    starts = [rows[heap.live[rows]] for rows in classes]
    blocked = _mask(heap, avoid)
    plumbing = plumbing_rows(heap.snapshot)
    parents = kernels.traverse(heap.outgoing, [*starts, heap.roots], blocked=blocked).parents
    if not len(plumbing):
        return RetentionPaths(parents)
    closed = _mask(heap, [*avoid, *plumbing.tolist()])
    before = kernels.traverse(heap.outgoing, starts[: max(1, len(starts) - 1)], blocked=closed)
    return RetentionPaths(np.where(before.seen, before.parents, parents))


def shortest_chain(
    heap: HeapGraph,
    row: int,
    *,
    named: Sequence[Rows] | None = None,
    avoid: Iterable[int] = (),
) -> Chain | None:
    """Return the shortest chain to one object, None if nothing holds it.

    As `retention_paths`, which serves better for many objects. `row` itself cannot be avoided.
    """
    around = [other for other in avoid if other != row]
    return retention_paths(heap, named=named, avoid=around).to(row) or None


def module_rows(snapshot: HeapSnapshot) -> Rows:
    """Return the modules, ascending."""
    modules = [i for i, name in enumerate(snapshot.type_names) if bare(name) == "module"]
    return np.flatnonzero(np.isin(snapshot.type, np.array(modules, np.int32))).astype(np.int32)


def plumbing_rows(snapshot: HeapSnapshot) -> Rows:
    """Return event loops with what they consist of and the caches of functions, ascending."""
    kinds = [i for i, name in enumerate(snapshot.type_names) if is_plumbing(name)]
    return np.flatnonzero(np.isin(snapshot.type, np.array(kinds, np.int32))).astype(np.int32)


def shortest_cycle(heap: HeapGraph, row: int, *, farthest: int = 10_000) -> Chain:
    """Return a shortest way from an object that is garbage back to itself, both ends included.

    Only the object itself if it is in no cycle, but hangs on one, or if the way leads past more
    than `farthest` objects.
    """
    came: dict[int, int] = {}
    pending = deque([row])
    while pending and len(came) < farthest:
        at = pending.popleft()
        for to in heap.outgoing.of(at).tolist():
            if to == row:
                chain = [row, at]
                while chain[-1] != row:
                    chain.append(came[chain[-1]])
                return tuple(reversed(chain))
            if to not in came and not heap.live[to]:
                came[to] = at
                pending.append(to)
    return (row,)


def holders(heap: HeapGraph, row: int) -> Rows:
    """Return what holds an object from without, ascending.

    That is, the objects that refer to it and would be alive without it; its own parts, which
    refer back to it, are left out.
    """
    alive = kernels.reachable(heap.outgoing, heap.roots, blocked=_mask(heap, [row]))
    referrers = np.unique(heap.incoming.of(row))
    return referrers[alive[referrers]]


def other_holders(heap: HeapGraph, chain: Chain) -> Rows:
    """Return what holds the last object of a chain besides the object before it, ascending."""
    found = holders(heap, chain[-1])
    return found[found != chain[-2]] if len(chain) > 1 else found


def _mask(heap: HeapGraph, rows: Iterable[int]) -> Mask | None:
    listed = list(rows)
    if not listed:
        return None
    mask = np.zeros(heap.snapshot.objects, np.bool_)
    mask[listed] = True
    return mask
