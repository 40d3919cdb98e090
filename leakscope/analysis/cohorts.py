"""What became of the entries of one container from snapshot to snapshot.

In a leak every cohort of entries stays. In a cache the old ones go, in a backlog all but the
newest. A freed entry's address is often given to the next one of its size, so an address that
comes back is the same entry only if it kept its place among the others: containers keep their
entries in the order in which they came.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from leakscope.analysis.heapgraph import row_of, type_name
from leakscope.model.cohorts import Cohort
from leakscope.model.heap import HeapSnapshot
from leakscope.model.typenames import bare

Addresses = npt.NDArray[np.uint64]


LARGEST = 2_000_000
"""Entries of a container up to which it is followed."""

_UNORDERED = frozenset({"set", "frozenset"})


def cohorts_of(
    snapshots: Sequence[HeapSnapshot], address: int, entry_type: str
) -> tuple[Cohort, ...]:
    """Return what became of all that one object ever referred to of one type.

    Empty with fewer than three snapshots, which tell nothing, and for containers that are too
    large. An object that is not there in a snapshot has no entries in it.
    """
    if len(snapshots) < 3:
        return ()
    series = [entries_of(snapshot, address, entry_type) for snapshot in snapshots]
    if max(map(len, series)) > LARGEST:
        return ()
    row = row_of(snapshots[-1], address)
    kind = "" if row is None else bare(type_name(snapshots[-1], row))
    return cohorts(series, ordered=kind not in _UNORDERED)


def entries_of(snapshot: HeapSnapshot, container: int, entry_type: str) -> Addresses:
    """Return the addresses of what a container refers to of one type, in its order."""
    row = row_of(snapshot, container)
    if row is None:
        return np.empty(0, np.uint64)
    targets = snapshot.targets[snapshot.offsets[row] : snapshot.offsets[row + 1]]
    types = [i for i, name in enumerate(snapshot.type_names) if name == entry_type]
    found: Addresses = snapshot.address[targets[np.isin(snapshot.type[targets], types)]]
    return found


def cohorts(series: Sequence[Addresses], *, ordered: bool = True) -> tuple[Cohort, ...]:
    """Return one cohort for each snapshot after the first: what was new in it, what is left.

    `series` has the addresses of the entries at each snapshot, in the order of the container, or
    in any if it is not `ordered`; then an address that comes back counts as the same entry.
    """
    found = []
    for before, came in pairwise(series):
        made = came[~np.isin(came, _stayed(before, came, ordered=ordered))]
        found.append(Cohort(len(made), len(_stayed(made, series[-1], ordered=ordered))))
    return tuple(found)


def _stayed(before: Addresses, now: Addresses, *, ordered: bool) -> Addresses:
    """Return which of `before` are still there: the most that kept their order."""
    common, at_before, at_now = np.intersect1d(before, now, return_indices=True)
    if not ordered:
        return common
    order = np.argsort(at_before, kind="stable")
    kept = _longest_rising(at_now[order].tolist())
    found: Addresses = before[at_before[order][kept]]
    return found


def _longest_rising(values: list[int]) -> list[int]:
    """Return the indexes of a longest strictly rising subsequence (patience sorting)."""
    tails: list[int] = []
    ends: list[int] = []
    came: list[int] = []
    for index, value in enumerate(values):
        length = bisect_left(tails, value)
        came.append(ends[length - 1] if length else -1)
        if length == len(tails):
            tails.append(value)
            ends.append(index)
        else:
            tails[length] = value
            ends[length] = index
    found = []
    at = ends[-1] if ends else -1
    while at >= 0:
        found.append(at)
        at = came[at]
    return found[::-1]
