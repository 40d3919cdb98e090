"""Where a heap grew between snapshots of one process, in words."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from leakscope.analysis.accumulation import Accumulation, heap_growth
from leakscope.analysis.cohorts import cohorts_of
from leakscope.analysis.fingerprint import fingerprint
from leakscope.analysis.heapgraph import type_name
from leakscope.analysis.kernels import Rows
from leakscope.analysis.names import path_of
from leakscope.analysis.retention import Chain
from leakscope.capture.gathering import printable
from leakscope.model.cohorts import Cohort
from leakscope.model.evidence import Step
from leakscope.model.explanation import TypeShare
from leakscope.model.heapgrowth import GrowthPlace, HeapComparison
from leakscope.watching.heap_entries import EntriesFound
from leakscope.watching.heap_evidence import site_of
from leakscope.watching.heap_unheld import (
    by_type,
    lost_among,
    stray_references,
    typical,
    unheld_of,
    unheld_series,
)
from leakscope.watching.heap_view import HeapView
from leakscope.watching.heap_ways import path_to


def compare_heaps(views: Sequence[HeapView], work_unit: str = "second") -> HeapComparison:
    """Return where the last of `views` grew since the first; all of one process, two or more.

    With three or more, the places tell what became of the entries that came in between, and what
    nobody holds has a slope: per `work_unit` if each tells the work, else per second.
    """
    first, last = views[0], views[-1]
    grown = heap_growth(first.dominated, last.dominated)
    work = [view.image.work for view in views if view.image.work is not None]
    per_work = work_unit != "second" and len(work) == len(views)
    along = np.array(work if per_work else [view.image.at for view in views])
    return HeapComparison(
        places=tuple(_place(views, found) for found in grown.accumulations),
        made=grown.made,
        freed=grown.freed,
        bytes=grown.bytes,
        garbage_objects=grown.garbage_objects,
        garbage_bytes=grown.garbage_bytes,
        unheld=unheld_series(views, along),
        strays=stray_references(views, along),
        unit=work_unit if per_work else "second",
    )


def _place(views: Sequence[HeapView], found: Accumulation) -> GrowthPlace:
    view, point = views[-1], found.point
    unheld = _unheld(view, found.entries) if point is None else []
    place = _heaviest(view, found.entries) if point is None else point
    if unheld:
        place = typical(view, unheld[0])
    entries = None if point is None else view.entries.among(point, found.entries)
    words = () if place is None else view.chain_to(place)
    entry = () if point is None or entries is None else _to_entry(view, point, entries.way)
    kind = "" if place is None else printable(type_name(view.snapshot, place))
    return GrowthPlace(
        fingerprint=fingerprint(words, entry, entry[-1].type if entry else kind, kind),
        path=path_of(words),
        type=kind,
        chain=words,
        shared=point is None,
        holder=_step_of(view, found.holder, words),
        entry=entry,
        entries=_alike(view, found.entries, entries),
        objects=found.objects,
        bytes=found.bytes,
        types=tuple(
            TypeShare(printable(gain.type), gain.objects, gain.bytes) for gain in found.types
        ),
        spread=found.spread,
        also_held_by=tuple(path_to(view, row) for row in found.also_held_by),
        site=None if entries is None else site_of(view, entries.code),
        cohorts=() if point is None or entries is None else _cohorts(views, point, entries),
        unheld=tuple(unheld_of(view, rows) for rows in unheld),
    )


def _unheld(view: HeapView, rows: Rows) -> list[Rows]:
    """Return those of `rows` that nobody holds, by type; none if they are the lesser part."""
    lost = [found for of_type in by_type(view, rows) if len(found := lost_among(view, of_type))]
    retained = sum(int(view.retained[found].sum()) for found in lost)
    return lost if 2 * retained > view.retained[rows].sum() else []


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


def _cohorts(views: Sequence[HeapView], point: int, entries: EntriesFound) -> tuple[Cohort, ...]:
    snapshot = views[-1].snapshot
    snapshots = [view.snapshot for view in views]
    address, entry_type = snapshot.address[point], type_name(snapshot, entries.way[0])
    return cohorts_of(snapshots, int(address), entry_type)
