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
from leakscope.analysis.typenames import is_code, is_plain
from leakscope.model.evidence import EntryShare, HolderEvidence
from leakscope.model.heap import HeapSnapshot

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

    `entries` are rows of the same heap. Of the type that retains most, a sample is followed down
    the dominator tree as long as one object accounts for 80 % of what the entry retains. On that
    way the first task, coroutine or function is what matters; without one the last object that is
    more than a building block (so a dictionary of attributes counts to its owner); without one
    the entry itself. What most of the sample have in common is returned.
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
    """Return some entries of the type that retains most, evenly spaced, ascending."""
    types = snapshot.type[entries]
    totals = np.bincount(types, weights=retained[entries])
    present = np.unique(types)
    leading = min(present, key=lambda index: (-totals[index], snapshot.type_names[index]))
    alike: Rows = entries[types == leading]
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
    code = [i for i, name in enumerate(names) if is_code(name)]
    # Further objects of a type that was met, or a way without end, are links of a linked list.
    named = [i for i, name in enumerate(names) if not is_plain(name) and names.index(name) == i]
    ends = code[:1] or named[-1:] if len(path) < _DEEPEST else named[:1]
    return tuple(path[: max(ends, default=0) + 1])


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
