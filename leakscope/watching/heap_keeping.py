"""Heaps as they are kept: with the names that somebody may want to read when the process has gone.

References are named while the frozen copy waits. There are far more than can be named, so the
questions that will be asked are asked at once, and the answers kept: why objects of each type are
alive, what retains most, what the longest containers hold.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from leakscope.analysis import kernels
from leakscope.capture.native import OpenHeap
from leakscope.model.evidence import Suspects
from leakscope.model.image import FieldKey, HeapImage
from leakscope.model.typenames import is_plain
from leakscope.watching.fields import FieldsLearnt
from leakscope.watching.heap_evidence import explain
from leakscope.watching.heap_tasks import task_rows
from leakscope.watching.heap_unheld import ask_unheld
from leakscope.watching.heap_view import HeapView
from leakscope.watching.heap_ways import REFERRERS_TOLD, most, ways_of
from leakscope.watching.naming import NotingNames

TYPES_ASKED = 2000
"""Types whose objects' chains are named, those with most bytes."""
CHAINS_PER_TYPE = 12
OBJECTS_ASKED = 500
"""Objects whose chains are named because they retain most bytes, or most objects."""
CLASSES_ASKED = 500
"""Classes whose fields are named, those with most bytes."""
OBJECTS_PER_CLASS = 3
MOST_FIELDS = 40
"""References beyond which an object has entries, not fields."""
CONTAINERS_ASKED = 40
TASKS_ASKED = 100_000


def view_of(
    opened: OpenHeap,
    *,
    at: float = 0.0,
    work: float | None = None,
    told: Callable[[str], None] = lambda _stage: None,
) -> HeapView:
    """Return a view of a heap whose frozen copy waits to be asked."""
    heap = opened.heap
    image = HeapImage(at, work, opened.pause.held_ms, heap.snapshot, heap.containers, heap.roots)
    return HeapView(image, opened.names, told=told)


def kept(view: HeapView) -> HeapImage:
    """Return the heap of a view, whose frozen copy still waits, with names to be kept.

    Raises what the naming of references and the graph kernels raise.
    """
    noting = NotingNames(view.names)
    view.told("what references are called")
    asked = view.asking(noting)
    _ask_types(asked)
    _ask_objects(asked)
    _ask_containers(asked)
    _ask_tasks(asked)
    ask_unheld(asked)
    return replace(view.image, names=replace(noting.kept(), fields=_fields(view)))


def _ask_types(view: HeapView) -> None:
    snapshot = view.snapshot
    sizes = np.bincount(snapshot.type, snapshot.size, len(snapshot.type_names))
    by_type = kernels.group(snapshot.type, len(snapshot.type_names))
    for index in most(sizes, TYPES_ASKED).tolist():
        rows = by_type.of(index)
        found = ways_of(view, rows[view.graph.live[rows]], looked_at=CHAINS_PER_TYPE)
        for chains in found:
            view.chains.chain(chains[-1])
        for example in [chains[-1][-1] for chains in found[:1]]:
            for referrer in view.graph.incoming.of(example)[:REFERRERS_TOLD].tolist():
                view.chains.chain((*view.paths.to(referrer), example))


def _ask_objects(view: HeapView) -> None:
    for weights in (view.retained, view.retained_objects):
        for row in most(np.where(view.keepers, weights, 0), OBJECTS_ASKED).tolist():
            view.chain_to(row)


def _ask_containers(view: HeapView) -> None:
    longest = [found.address for found in view.image.containers[:CONTAINERS_ASKED]]
    explain(view, Suspects(containers=tuple(longest)))


def _ask_tasks(view: HeapView) -> None:
    for rows in (task_rows(view), view.greenlets):
        view.names.suspended([int(at) for at in view.snapshot.address[rows[:TASKS_ASKED]]])


def _fields(view: HeapView) -> dict[FieldKey, str]:
    """Return what the fields of classes are called, from a few objects of each."""
    snapshot = view.snapshot
    learnt = FieldsLearnt.of(snapshot)
    sizes = np.bincount(snapshot.type, snapshot.size, len(snapshot.type_names))
    sizes[[is_plain(name) for name in snapshot.type_names]] = 0
    by_type = kernels.group(snapshot.type, len(snapshot.type_names))
    for index in most(sizes, CLASSES_ASKED).tolist():
        rows = by_type.of(index)
        places = np.linspace(0, len(rows) - 1, min(len(rows), OBJECTS_PER_CLASS)).astype(np.int64)
        for row in rows[places].tolist():
            _learn(view, learnt, row)
    return learnt.names()


def _learn(view: HeapView, learnt: FieldsLearnt, row: int) -> None:
    """Name the references of one object, and of the dict that is only a part of it."""
    snapshot = view.snapshot
    for to in _few(view, row):
        address = [int(snapshot.address[at]) for at in (row, to)]
        (text,) = view.names.chain(address)
        learnt.learn(None, row, to, text)
        if text:
            continue
        for inner in _few(view, to):
            named = view.names.chain([*address, int(snapshot.address[inner])])
            learnt.learn(row, to, inner, named[-1])


def _few(view: HeapView, row: int) -> list[int]:
    targets = view.graph.outgoing.of(row)
    return list(dict.fromkeys(targets.tolist())) if len(targets) <= MOST_FIELDS else []
