"""Which objects of two snapshots of one process are the same.

CPython does not move objects, so address and type identify an object as long as it lives. But a
freed place is given to the next object of that size, often of the same type. So a match only
counts while the object is still held as it was: by a root that was one before, or through
references that were there before. What was handed from one holder to another is therefore new to
the one and gone from the other, whether it is the same object or its successor at that address.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from leakscope.analysis import kernels
from leakscope.analysis.heapgraph import HeapGraph
from leakscope.analysis.kernels import Mask, Rows
from leakscope.model.heap import HeapSnapshot

ABSENT = -1
"""Stands for the row of an object in a snapshot that does not have it."""


@dataclass(frozen=True, slots=True)
class Survivors:
    """What of one snapshot is also in another, both ways; live objects only."""

    earlier_of: Rows
    """By row of the later snapshot: the same object in the earlier one, or `ABSENT`."""
    later_of: Rows
    """By row of the earlier snapshot: the same object in the later one, or `ABSENT`."""

    @property
    def stayed(self) -> Mask:
        """Whether an object of the later snapshot was there before."""
        return self.earlier_of >= 0


def survivors(earlier: HeapGraph, later: HeapGraph) -> Survivors:
    """Return which objects live in both of two snapshots of one process."""
    match = _matches(earlier.snapshot, later.snapshot)
    match[~later.live] = ABSENT
    # One entry more than there are rows: what `ABSENT` indexes.
    lived = np.append(earlier.live, False)
    match[~lived[match]] = ABSENT
    was_root = np.zeros(len(lived), np.bool_)
    was_root[earlier.roots] = True
    starts = later.roots[was_root[match[later.roots]]]
    held = kernels.carried(later.outgoing, earlier.outgoing, match, starts)
    match[~held] = ABSENT
    back = np.full(earlier.snapshot.objects, ABSENT, np.int32)
    stayed = np.flatnonzero(held)
    back[match[stayed]] = stayed
    return Survivors(match, back)


def _matches(earlier: HeapSnapshot, later: HeapSnapshot) -> Rows:
    """Return for each object of `later` that of `earlier` with its address and type, or -1."""
    match = np.full(later.objects, ABSENT, np.int32)
    if not earlier.objects:
        return match
    order = np.argsort(earlier.address, kind="stable").astype(np.int32)
    places = earlier.address[order]
    # Looked up in ascending order, neighbours are found in memory that was just read.
    wanted = np.argsort(later.address, kind="stable").astype(np.int32)
    found = np.searchsorted(places, later.address[wanted])
    found = np.minimum(found, earlier.objects - 1)
    candidates = order[found]
    names = {name: i for i, name in enumerate(reversed(earlier.type_names))}
    earlier_names = np.array([names[name] for name in earlier.type_names], np.int32)
    later_names = np.array([names.get(name, ABSENT) for name in later.type_names], np.int32)
    same = places[found] == later.address[wanted]
    same &= earlier_names[earlier.type[candidates]] == later_names[later.type[wanted]]
    match[wanted[same]] = candidates[same]
    return match
