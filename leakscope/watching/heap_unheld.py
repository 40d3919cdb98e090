"""What nobody seen holds in frozen heaps, in words: how much, what it looks like, how it grows."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

import numpy as np

from leakscope.analysis.chance import Floats
from leakscope.analysis.compare import slopes_along
from leakscope.analysis.heapgraph import type_name
from leakscope.analysis.kernels import Rows
from leakscope.analysis.unheld import (
    Strays,
    UnheldCounts,
    strays_in,
    unheld_counts,
    unseen_in,
)
from leakscope.capture.gathering import printable
from leakscope.model.evidence import Step, Unheld
from leakscope.model.unheld import StrayReferences, UnheldSeries, UnheldType
from leakscope.watching.heap_roots import rows_at
from leakscope.watching.heap_view import HeapView
from leakscope.watching.heap_ways import freed_with, most, path_to

_INDEX = re.compile(r"^\[\d+\]$")
_CLASS = ".__class__"
_KINDS_TOLD = 2
_MOST_LOOKED_AT = 40
"""References of an object that are named: what has more has entries, not fields."""
_TYPES_ASKED = 50
_STRAYS_ASKED = 100
_MOST_COMPARED = 64
"""Objects that are compared to find the one that is like most."""


def lost_among(view: HeapView, rows: Rows) -> Rows:
    """Return those of `rows`, objects of one type, that nobody holds.

    None if they are so few that the calls that run just now may hold them, in no variable: what a
    loop runs over, a lock that was entered.
    """
    lost = rows[view.unheld[rows]]
    return lost if len(lost) > view.in_calls else lost[:0]


def by_type(view: HeapView, rows: Rows) -> list[Rows]:
    """Return `rows` type by type: most bytes retained first, then objects, ties by name."""
    names: dict[str, list[int]] = {}
    for row in rows.tolist():
        names.setdefault(type_name(view.snapshot, row), []).append(row)
    ordered = sorted(
        names.items(),
        key=lambda item: (-int(view.retained[item[1]].sum()), -len(item[1]), item[0]),
    )
    return [np.array(found, np.int32) for _, found in ordered]


def unheld_of(view: HeapView, rows: Rows) -> Unheld:
    """Return what there is to tell of `rows`, objects of one type that nobody holds."""
    example = typical(view, rows)
    looks, more = _looks(view, example)
    return Unheld(
        type=printable(type_name(view.snapshot, example)),
        objects=len(rows),
        references=int(view.unseen[rows].sum()),
        retained_bytes=freed_with(view, rows),
        looks=looks,
        more=more,
    )


def typical(view: HeapView, rows: Rows) -> int:
    """Return the one of `rows` that refers to objects of the same types as most do."""
    snapshot, outgoing = view.snapshot, view.graph.outgoing
    places = np.linspace(0, len(rows) - 1, min(len(rows), _MOST_COMPARED)).astype(np.int64)
    shapes: dict[int, tuple[int, ...]] = {
        row: tuple(sorted(set(snapshot.type[outgoing.of(row)].tolist())))
        for row in rows[places].tolist()
    }
    ((shape, _),) = Counter(shapes.values()).most_common(1)
    return next(row for row, found in shapes.items() if found == shape)


def unheld_types(view: HeapView) -> tuple[UnheldType, ...]:
    """Return what nobody holds of each type: most objects first, then references, ties by name."""
    counts = unheld_counts(view.snapshot, view.unseen, view.unheld)
    lost = np.flatnonzero(view.unheld).astype(np.int32)
    retained = {
        type_name(view.snapshot, int(rows[0])): freed_with(view, rows)
        for rows in by_type(view, lost)
    }
    figures = zip(counts.names, counts.objects.tolist(), counts.references.tolist(), strict=True)
    found = [
        UnheldType(printable(name), objects, references, retained.get(name, 0))
        for name, objects, references in figures
    ]
    return tuple(sorted(found, key=lambda each: (-each.objects, -each.references, each.type)))


def ask_unheld(view: HeapView) -> None:
    """Ask for the names that will be wanted to tell what nobody holds, for them to be kept."""
    for rows in by_type(view, np.flatnonzero(view.unheld).astype(np.int32))[:_TYPES_ASKED]:
        _looks(view, typical(view, rows))
    for row in most(view.unseen, _STRAYS_ASKED).tolist():
        view.chain_to(row)


def unheld_series(views: Sequence[HeapView], along: Floats) -> tuple[UnheldSeries, ...]:
    """Return the types of which nobody holds more, or to which more references are found nowhere.

    `along` is the work done until each heap was taken, or the time. Most objects gained first, then
    references, ties by name.
    """
    counts = [unheld_counts(view.snapshot, view.unseen, view.unheld) for view in views]
    names = sorted({name for each in counts for name in each.names})
    objects = np.stack([_of(each, each.objects, names) for each in counts], axis=1)
    references = np.stack([_of(each, each.references, names) for each in counts], axis=1)
    gained, more = objects[:, -1] - objects[:, 0], references[:, -1] - references[:, 0]
    grown = np.flatnonzero((gained > 0) | (more > 0))
    slopes = slopes_along(along, references[grown].astype(float))
    found = [
        UnheldSeries(
            printable(names[at]),
            tuple(objects[at].tolist()),
            tuple(references[at].tolist()),
            slope,
        )
        for at, slope in zip(grown.tolist(), slopes, strict=True)
    ]
    return tuple(sorted(found, key=_by_gain))


def stray_references(views: Sequence[HeapView], along: Floats) -> tuple[StrayReferences, ...]:
    """Return the objects that stay and to which ever more references are found nowhere."""
    seen = [unseen_in(view.snapshot, view.unseen, all_objects=True) for view in views]
    return strays_told(views[-1], strays_in(seen, views[-1].in_calls), along)


def strays_told(
    last: HeapView, strays: Sequence[Strays], along: Floats
) -> tuple[StrayReferences, ...]:
    """Return strays with what they are called in the `last` heap, and their slopes."""
    slopes = slopes_along(along, np.array([each.references for each in strays], float))
    rows = rows_at(last.snapshot, [each.address for each in strays])
    return tuple(
        StrayReferences(
            address=each.address,
            type=printable(each.type),
            path=path_to(last, int(row)),
            references=each.references,
            slope=slope,
        )
        for each, row, slope in zip(strays, rows, slopes, strict=True)
    )


def _looks(view: HeapView, row: int) -> tuple[tuple[Step, ...], int]:
    """Return the first kinds of references of an object, not that to its class; how many more.

    What is only a part of the object, as the dict of its attributes is, is told by what is in it.
    """
    steps: list[Step] = []
    for to in _referents(view, row):
        if view.chains.is_part((row, to)):
            inner = [view.chains.steps((row, to, at)) for at in _referents(view, to)]
            steps += [found[-1] for found in inner if found]
        else:
            steps += view.chains.steps((row, to))
    told = [step for step in steps if step.edge != _CLASS]
    kinds = list(dict.fromkeys(Step(_INDEX.sub("[*]", step.edge), step.type) for step in told))
    return tuple(kinds[:_KINDS_TOLD]), max(0, len(kinds) - _KINDS_TOLD)


def _referents(view: HeapView, row: int) -> list[int]:
    return list(dict.fromkeys(view.graph.outgoing.of(row)[:_MOST_LOOKED_AT].tolist()))


def _of(counts: UnheldCounts, figures: np.typing.NDArray[np.int64], names: Sequence[str]) -> Rows:
    by_name = dict(zip(counts.names, figures.tolist(), strict=True))
    return np.array([by_name.get(name, 0) for name in names], np.int64)


def _by_gain(series: UnheldSeries) -> tuple[int, int, str]:
    gained = series.objects[-1] - series.objects[0]
    return (-gained, series.references[0] - series.references[-1], series.type)
