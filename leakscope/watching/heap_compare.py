"""Where a heap grew between snapshots of one process, in words."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from leakscope.analysis.accumulation import Accumulation, heap_growth
from leakscope.analysis.cohorts import Addresses, cohorts
from leakscope.analysis.heapgraph import row_of, type_name
from leakscope.analysis.kernels import Rows
from leakscope.analysis.names import path_of
from leakscope.analysis.retention import Chain
from leakscope.capture.gathering import printable
from leakscope.model.evidence import Step
from leakscope.model.explanation import TypeShare
from leakscope.model.heapgrowth import Cohort, GrowthPlace, HeapComparison
from leakscope.model.typenames import bare
from leakscope.watching.heap_entries import EntriesFound
from leakscope.watching.heap_evidence import site_of
from leakscope.watching.heap_view import HeapView
from leakscope.watching.heap_ways import path_to

LARGEST_COHORTS = 2_000_000
"""Entries of a container up to which its cohorts are followed."""


def compare_heaps(views: Sequence[HeapView]) -> HeapComparison:
    """Return where the last of `views` grew since the first; all of one process, two or more.

    With three or more, the places tell what became of the entries that came in between.
    """
    first, last = views[0], views[-1]
    grown = heap_growth(first.dominated, last.dominated)
    return HeapComparison(
        places=tuple(_place(views, found) for found in grown.accumulations),
        made=grown.made,
        freed=grown.freed,
        bytes=grown.bytes,
        garbage_objects=grown.garbage_objects,
        garbage_bytes=grown.garbage_bytes,
    )


def _place(views: Sequence[HeapView], found: Accumulation) -> GrowthPlace:
    view, point = views[-1], found.point
    place = _heaviest(view, found.entries) if point is None else point
    entries = None if point is None else view.entries.among(point, found.entries)
    words = () if place is None else view.chain_to(place)
    return GrowthPlace(
        path=path_of(words),
        type="" if place is None else printable(type_name(view.snapshot, place)),
        chain=words,
        shared=point is None,
        holder=_step_of(view, found.holder, words),
        entry=() if point is None or entries is None else _to_entry(view, point, entries.way),
        entries=_alike(view, found.entries, entries),
        objects=found.objects,
        bytes=found.bytes,
        types=tuple(
            TypeShare(printable(gain.type), gain.objects, gain.bytes) for gain in found.types
        ),
        spread=found.spread,
        also_held_by=tuple(path_to(view, row) for row in found.also_held_by),
        site=None if entries is None else site_of(view, entries.code),
        cohorts=_cohorts(views, point, entries.way[0]) if point is not None and entries else (),
    )


def _heaviest(view: HeapView, rows: Rows) -> int | None:
    return int(rows[view.retained[rows].argmax()]) if len(rows) else None


def _step_of(view: HeapView, holder: int | None, words: tuple[Step, ...]) -> int | None:
    """Return which step of a chain in words is the holder, None if it is none of them."""
    told = () if holder is None else view.chain_to(holder)
    return len(told) - 1 if told and words[: len(told)] == told else None


def _to_entry(view: HeapView, point: int, way: Chain) -> tuple[Step, ...]:
    """Return the steps from a container to what matters in an entry, to which `way` leads."""
    first = view.entries.way([point], way[0]) or (point, way[0])
    return view.chains.steps((*first, *way[1:]))


def _alike(view: HeapView, rows: Rows, entries: EntriesFound | None) -> int:
    """Return how many of `rows` are of a typical entry's type: not the keys beside the values."""
    if entries is None:
        return len(rows)
    types = view.snapshot.type
    return int((types[rows] == types[entries.way[0]]).sum())


def _cohorts(views: Sequence[HeapView], point: int, entry: int) -> tuple[Cohort, ...]:
    """Return what became of all that `point` ever had of the type of one `entry`."""
    if len(views) < 3:
        return ()
    snapshot = views[-1].snapshot
    address, wanted = int(snapshot.address[point]), type_name(snapshot, entry)
    series = [_entries(view, address, wanted) for view in views]
    if max(map(len, series)) > LARGEST_COHORTS:
        return ()
    unordered = bare(type_name(snapshot, point)) in ("set", "frozenset")
    return cohorts(series, ordered=not unordered)


def _entries(view: HeapView, container: int, wanted: str) -> Addresses:
    """Return the addresses of what a container refers to of one type, in its order."""
    snapshot, row = view.snapshot, row_of(view.snapshot, container)
    if row is None:
        return np.empty(0, np.uint64)
    targets = view.graph.outgoing.of(row)
    types = [i for i, name in enumerate(snapshot.type_names) if name == wanted]
    found: Addresses = snapshot.address[targets[np.isin(snapshot.type[targets], types)]]
    return found
