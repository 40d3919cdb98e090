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

_SAMPLED = 64
"""Entries that are looked into; they are alike."""
_DEEPEST = 32

_PLAIN = frozenset({"array.array", "collections.defaultdict", "collections.deque"}) | {
    "collections.OrderedDict",
    "collections.Counter",
    "types.SimpleNamespace",
}
"""Types that say no more of what they hold than the builtin ones do."""


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
    the dominator tree as long as one object accounts for 80 % of what the entry retains. The last
    object on that way that is not of a plain builtin type is the one that matters; dictionaries
    of attributes count to their owner. What most of the sample have in common is returned.
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
    own = [i for i in range(len(path)) if not _is_attributes(heap, path[: i + 1])]
    telling = [i for i in own if not _is_plain(type_name(heap.graph.snapshot, path[i]))]
    return tuple(path[: (telling or own)[-1] + 1])


def _is_attributes(heap: DominatedHeap, path: list[int]) -> bool:
    """Return whether the end of a path is the dictionary of the attributes of what is above it."""
    if len(path) < 2:
        return False
    owner, kind = (type_name(heap.graph.snapshot, row) for row in path[-2:])
    return kind in ("dict", "builtins.dict") and not _is_plain(owner)


def _is_plain(name: str) -> bool:
    return "." not in name or name.startswith("builtins.") or name in _PLAIN


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
