"""Heaps as they are kept: with the names that somebody may want to read when the process has gone.

References are named while the frozen copy waits. There are far more than can be named, so the
questions that will be asked are asked at once, and the answers kept: why objects of each type are
alive, what retains most, what the longest containers hold.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from leakscope.analysis import kernels
from leakscope.capture.native import OpenHeap
from leakscope.model.evidence import Suspects
from leakscope.model.image import HeapImage
from leakscope.watching.heap_evidence import explain
from leakscope.watching.heap_view import HeapView
from leakscope.watching.heap_ways import REFERRERS_TOLD, most, ways_of
from leakscope.watching.naming import NotingNames

TYPES_ASKED = 2000
"""Types whose objects' chains are named, those with most bytes."""
CHAINS_PER_TYPE = 12
OBJECTS_ASKED = 2000
"""Objects whose chains are named because they retain most bytes, or most objects."""
CONTAINERS_ASKED = 40


def view_of(opened: OpenHeap, *, at: float = 0.0, work: float | None = None) -> HeapView:
    """Return a view of a heap whose frozen copy waits to be asked."""
    heap = opened.heap
    image = HeapImage(at, work, opened.pause.held_ms, heap.snapshot, heap.containers, heap.roots)
    return HeapView(image, opened.names)


def kept(view: HeapView) -> HeapImage:
    """Return the heap of a view, whose frozen copy still waits, with names to be kept.

    Raises what the naming of references and the graph kernels raise.
    """
    noting = NotingNames(view.names)
    asked = view.asking(noting)
    _ask_types(asked)
    _ask_objects(asked)
    _ask_containers(asked)
    return replace(view.image, names=noting.kept())


def _ask_types(view: HeapView) -> None:
    snapshot = view.snapshot
    sizes = np.bincount(snapshot.type, snapshot.size, len(snapshot.type_names))
    by_type = kernels.group(snapshot.type, len(snapshot.type_names))
    for index in most(sizes, TYPES_ASKED).tolist():
        rows = by_type.of(index)
        found = ways_of(view, rows[view.graph.live[rows]], looked_at=CHAINS_PER_TYPE)
        for chains in found:
            view.chains.chain(chains[-1])
        for example in (chains[-1][-1] for chains in found[:1]):
            for referrer in view.graph.incoming.of(example)[:REFERRERS_TOLD].tolist():
                view.chains.chain((*view.paths.to(referrer), example))


def _ask_objects(view: HeapView) -> None:
    for weights in (view.retained, view.retained_objects):
        for row in most(weights, OBJECTS_ASKED).tolist():
            view.chain_to(row)


def _ask_containers(view: HeapView) -> None:
    longest = [found.address for found in view.image.containers[:CONTAINERS_ASKED]]
    explain(view, Suspects(containers=tuple(longest)))
