"""What there is most of in one heap: types, objects that retain much, containers, garbage."""

from __future__ import annotations

from enum import Enum

import numpy as np

from leakscope.analysis import kernels
from leakscope.analysis.heapgraph import type_name
from leakscope.analysis.kernels import Rows
from leakscope.capture.gathering import printable
from leakscope.model.explanation import HeapSummary, HeapTop, TopObject, TopType
from leakscope.watching.heap_roots import rows_at
from leakscope.watching.heap_unheld import unheld_types
from leakscope.watching.heap_view import HeapView
from leakscope.watching.heap_ways import freed_with, most, path_to


class TopBy(str, Enum):
    """What a heap is sorted by."""

    TYPE = "type"
    """Types, most bytes first."""
    RETAINED = "retained"
    """Objects, by what would be freed with them."""
    HOLDER = "holder"
    """Containers, most entries first."""
    GARBAGE = "garbage"
    """Types of uncollected garbage, most bytes first."""
    UNHELD = "unheld"
    """Types by their objects that nobody seen holds, then by references found nowhere."""


def top_of(view: HeapView, by: TopBy, rows: int) -> HeapTop:
    """Return the first `rows` of a heap, sorted as `by` says; ties by name or address."""
    summary = summary_of(view)
    if by is TopBy.RETAINED:
        return HeapTop(summary, objects=_retaining(view, rows))
    if by is TopBy.HOLDER:
        return HeapTop(summary, objects=_containers(view, rows))
    if by is TopBy.UNHELD:
        return HeapTop(summary, unheld=unheld_types(view)[:rows])
    return HeapTop(summary, types=_types(view, rows, garbage=by is TopBy.GARBAGE))


def summary_of(view: HeapView) -> HeapSummary:
    """Return how large a heap is."""
    snapshot, live = view.snapshot, view.graph.live
    return HeapSummary(
        objects=snapshot.objects,
        bytes=int(snapshot.size.sum()),
        references=snapshot.references,
        garbage_objects=int((~live).sum()),
        garbage_bytes=int(snapshot.size[~live].sum()),
        types=len(np.unique(snapshot.type)),
        pause_ms=view.image.pause_ms,
    )


def _types(view: HeapView, rows: int, *, garbage: bool) -> tuple[TopType, ...]:
    snapshot, live = view.snapshot, view.graph.live
    names, index = np.unique(np.array(snapshot.type_names), return_inverse=True)
    of_object = index.astype(np.int32)[snapshot.type]
    dead = ~live
    sizes = np.bincount(of_object, snapshot.size, len(names)).astype(np.int64)
    lost_sizes = np.bincount(of_object[dead], snapshot.size[dead], len(names)).astype(np.int64)
    objects = np.bincount(of_object, minlength=len(names))
    lost = np.bincount(of_object[dead], minlength=len(names))
    members = kernels.group(of_object, len(names))
    return tuple(
        TopType(
            type=printable(str(names[at])),
            objects=int(objects[at]),
            bytes=int(sizes[at]),
            retained_bytes=0 if garbage else freed_with(view, _living(view, members.of(at))),
            garbage_objects=int(lost[at]),
            garbage_bytes=int(lost_sizes[at]),
        )
        for at in most(lost_sizes if garbage else sizes, rows).tolist()
    )


def _living(view: HeapView, rows: Rows) -> Rows:
    found: Rows = rows[view.graph.live[rows]]
    return found


def _retaining(view: HeapView, rows: int) -> tuple[TopObject, ...]:
    """Return the objects that retain most, without those that only lead to one other of them."""
    return _objects(view, most(np.where(view.keepers, view.retained, 0), rows))


def _containers(view: HeapView, rows: int) -> tuple[TopObject, ...]:
    return _objects(view, rows_at(view.snapshot, list(view.lengths)[:rows]))


def _objects(view: HeapView, rows: Rows) -> tuple[TopObject, ...]:
    snapshot = view.snapshot
    return tuple(
        TopObject(
            address=int(snapshot.address[row]),
            type=printable(type_name(snapshot, row)),
            bytes=int(snapshot.size[row]),
            retained_bytes=int(view.retained[row]),
            retained_objects=int(view.retained_objects[row]),
            entries=view.lengths.get(int(snapshot.address[row])),
            path=path_to(view, row),
        )
        for row in rows.tolist()
    )
