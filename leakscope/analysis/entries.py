"""What one entry of an accumulation is: the object that matters in it, and what it keeps alive."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass

import numpy as np

from leakscope.analysis.accumulation import Accumulation
from leakscope.analysis.dominators import DominatedHeap, dominated_by, retained_bytes
from leakscope.analysis.heapgraph import type_name
from leakscope.analysis.kernels import Amounts, Rows
from leakscope.analysis.links import EXPLAINS
from leakscope.analysis.retention import (
    Chain,
    NameEdge,
    RetentionPaths,
    named_chain,
    named_steps,
)
from leakscope.model.evidence import EntryShare, HolderEvidence
from leakscope.model.heap import HeapSnapshot
from leakscope.model.typenames import leading, telling

_SAMPLED = 64
"""Entries that are looked into; they are alike."""
_DEEPEST = 32


@dataclass(frozen=True, slots=True)
class EntryDomain:
    """What a typical entry of an accumulation keeps alive, and which object in it matters."""

    path: Chain
    """Rows from a typical entry down to the object that matters in it, both included."""
    type: str
    """The type of the last of them."""
    shares: tuple[EntryShare, ...]
    """Averages over the entries sampled; most bytes first, ties by name."""
    sampled: int


def entry_domain(heap: DominatedHeap, entries: Rows) -> EntryDomain | None:
    """Return what the entries of an accumulation are, None if there are none.

    `entries` are rows of the same heap. Of the type that tells most, a sample is followed down
    the dominator tree as long as one object accounts for 80 % of what the entry retains; on that
    way `leading` says what matters. What most of the sample have in common is returned.
    """
    if not len(entries):
        return None
    retained = retained_bytes(heap.graph, heap.tree)
    sample = _sample(heap.graph.snapshot, entries, retained)
    paths = [_to_what_matters(heap, retained, int(entry)) for entry in sample]
    types = heap.graph.snapshot.type
    shapes = Counter(tuple(types[row] for row in path) for path in paths)
    most = max(shapes.values())
    # Counters keep the order of the sample, so among equals the first entry decides.
    typical = next(path for path in paths if shapes[tuple(types[row] for row in path)] == most)
    return EntryDomain(
        path=typical,
        type=type_name(heap.graph.snapshot, typical[-1]),
        shares=_shares(heap, sample),
        sampled=len(sample),
    )


def holder_evidence(
    heap: DominatedHeap,
    accumulation: Accumulation,
    paths: RetentionPaths,
    name_edge: NameEdge,
) -> HolderEvidence | None:
    """Return an accumulation in words, None for one that nothing in the heap holds.

    `paths` are those of the same heap; no path to the point gives an empty chain.
    """
    point = accumulation.point
    if point is None:
        return None
    snapshot = heap.graph.snapshot
    domain = entry_domain(heap, accumulation.entries)
    inside = (point, *domain.path) if domain else ()
    return HolderEvidence(
        address=int(snapshot.address[point]),
        type=type_name(snapshot, point),
        chain=named_chain(snapshot, paths.to(point), name_edge),
        entry=named_steps(snapshot, inside, name_edge),
        shares=domain.shares if domain else (),
        entries_sampled=domain.sampled if domain else 0,
    )


def _sample(snapshot: HeapSnapshot, entries: Rows, retained: Amounts) -> Rows:
    """Return some entries of the type that tells most, evenly spaced, ascending."""
    types = snapshot.type[entries]
    totals = np.bincount(types, weights=retained[entries])
    present = np.unique(types)
    ordered = sorted(present, key=lambda index: snapshot.type_names[index])
    names = [snapshot.type_names[index] for index in ordered]
    tells = telling(names, [float(totals[index]) for index in ordered])
    alike: Rows = entries[types == ordered[tells]]
    if len(alike) <= _SAMPLED:
        return alike
    spaced: Rows = alike[np.linspace(0, len(alike) - 1, _SAMPLED).astype(np.int64)]
    return spaced


def _to_what_matters(heap: DominatedHeap, retained: Amounts, entry: int) -> Chain:
    """Return the way down from an entry to the object that accounts for most of it."""
    enough = EXPLAINS * retained[entry]
    path = [entry]
    while len(path) < _DEEPEST:
        below = heap.children.of(path[-1])
        if not len(below):
            break
        heaviest = int(below[retained[below].argmax()])
        if retained[heaviest] < enough:
            break
        path.append(heaviest)
    names = [type_name(heap.graph.snapshot, row) for row in path]
    return tuple(path[: leading(names, [float(retained[row]) for row in path]) + 1])


def _shares(heap: DominatedHeap, sample: Rows) -> tuple[EntryShare, ...]:
    snapshot = heap.graph.snapshot
    kept = dominated_by(heap.children, *sample)
    types = snapshot.type[kept]
    counts = np.bincount(types) / len(sample)
    sizes = np.bincount(types, weights=snapshot.size[kept]) / len(sample)
    objects: defaultdict[str, float] = defaultdict(float)
    bytes_: defaultdict[str, float] = defaultdict(float)
    for index in np.flatnonzero(counts):
        objects[snapshot.type_names[index]] += float(counts[index])
        bytes_[snapshot.type_names[index]] += float(sizes[index])
    shares = [EntryShare(name, objects[name], bytes_[name]) for name in objects]
    return tuple(sorted(shares, key=lambda share: (-share.bytes, share.type)))
