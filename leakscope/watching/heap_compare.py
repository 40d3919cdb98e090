"""Where a heap grew between snapshots of one process, in words."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from leakscope.analysis.accumulation import Accumulation, heap_growth
from leakscope.analysis.cohorts import Addresses, cohorts
from leakscope.analysis.heapgraph import row_of, type_name
from leakscope.analysis.names import path_of
from leakscope.capture.gathering import printable
from leakscope.model.evidence import Step
from leakscope.model.explanation import TypeShare
from leakscope.model.heapgrowth import Cohort, GrowthPlace, HeapComparison
from leakscope.model.typenames import bare
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
    chain = () if point is None else view.paths.to(point)
    words = view.chains.chain(chain)
    entries = None if point is None else view.entries.among(point, found.entries)
    entry: tuple[Step, ...] = ()
    if point is not None and entries is not None:
        way = view.entries.way([point], entries.way[0]) or (point, entries.way[0])
        entry = view.chains.steps((*way, *entries.way[1:]))
    holder = None if found.holder is None else view.chains.chain(view.paths.to(found.holder))
    return GrowthPlace(
        path=path_of(words),
        type="" if point is None else printable(type_name(view.snapshot, point)),
        chain=words,
        holder=len(holder) - 1 if holder and words[: len(holder)] == holder else None,
        entry=entry,
        entries=len(found.entries),
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
