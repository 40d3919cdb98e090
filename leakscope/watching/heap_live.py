"""A census of what is alive: counted in a snapshot, cyclic garbage left out."""

from __future__ import annotations

import numpy as np

from leakscope.capture.interface import Reading
from leakscope.model.census import TypeTotal
from leakscope.watching.heap_roots import rows_at
from leakscope.watching.heap_view import HeapView


def live_reading(view: HeapView) -> Reading:
    """Return what is alive in a heap, by type, and the longest containers among it.

    Raises `MalformedGraph`.
    """
    snapshot, live = view.snapshot, view.graph.live
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
