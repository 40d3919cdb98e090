"""A census of what is alive: counted in a snapshot, what is only garbage left out."""

from __future__ import annotations

import numpy as np

from leakscope.analysis import kernels
from leakscope.analysis.heapgraph import HeapGraph
from leakscope.analysis.kernels import Mask, Rows
from leakscope.capture.interface import Reading
from leakscope.model.census import TypeTotal
from leakscope.model.heap import HeapSnapshot
from leakscope.model.typenames import bare
from leakscope.watching.heap_roots import rows_at
from leakscope.watching.heap_view import HeapView

_TIMER = "asyncio.events.TimerHandle"


def live_reading(view: HeapView, *, with_garbage: bool = False) -> Reading:
    """Return what is alive in a heap, by type, and the longest containers among it.

    Cyclic garbage is not alive, nor are timers that were cancelled. `with_garbage`: what the
    collector would free is there for good, so it counts too. Raises `MalformedGraph`.
    """
    snapshot, live = view.snapshot, without_cancelled_timers(view.graph)
    if with_garbage:
        live = live | ~view.graph.live
    kinds = len(snapshot.type_names)
    objects = np.bincount(snapshot.type[live], minlength=kinds)
    sizes = np.zeros(kinds, np.int64)
    np.add.at(sizes, snapshot.type[live], snapshot.size[live])
    totals: dict[str, TypeTotal] = {}
    for index in np.flatnonzero(objects).tolist():
        name = snapshot.type_names[index]
        before = totals.get(name, TypeTotal(0, 0))
        totals[name] = TypeTotal(
            before.objects + int(objects[index]), before.bytes + int(sizes[index])
        )
    containers = view.image.containers
    rows = rows_at(snapshot, (container.address for container in containers))
    alive = set(snapshot.address[rows[live[rows]]].tolist())
    return Reading(totals, tuple(c for c in containers if c.address in alive), view.image.pause_ms)


def without_cancelled_timers(graph: HeapGraph) -> Mask:
    """Return what is alive, without cancelled timers of asyncio and what they alone hold.

    An event loop keeps a cancelled timer until it is due, or until half of its timers, and a
    hundred of them, are cancelled. Until then they pile up with the requests, and fall.
    """
    cancelled = _cancelled_timers(graph)
    if not len(cancelled):
        return graph.live
    blocked = np.zeros(graph.snapshot.objects, np.bool_)
    blocked[cancelled] = True
    return kernels.reachable(graph.outgoing, graph.roots, blocked=blocked) & graph.live


def _cancelled_timers(graph: HeapGraph) -> Rows:
    """Return the timers that were cancelled and that nobody but their loop holds.

    A timer in a loop has two flags, whether it was cancelled and whether it is scheduled, so both
    are true: it refers to `True` and not to `False`.
    """
    snapshot = graph.snapshot
    timers = _of_type(snapshot, _TIMER)
    bools = _of_type(snapshot, "bool")
    if not len(timers) or not len(bools):
        return timers[:0]
    found = []
    for row in timers.tolist():
        flags = graph.outgoing.of(row)
        flags = flags[np.isin(flags, bools)]
        held_by = graph.incoming.of(row)
        alone = len(held_by) == 1 and bare(_type(snapshot, int(held_by[0]))) == "list"
        if alone and len(flags) == 2 and flags[0] == flags[1]:
            found.append(row)
    return np.array(found, np.int32)


def _of_type(snapshot: HeapSnapshot, name: str) -> Rows:
    kinds = [i for i, found in enumerate(snapshot.type_names) if bare(found) == name]
    return np.flatnonzero(np.isin(snapshot.type, np.array(kinds, np.int32))).astype(np.int32)


def _type(snapshot: HeapSnapshot, row: int) -> str:
    return snapshot.type_names[int(snapshot.type[row])]
