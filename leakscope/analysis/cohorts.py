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

from leakscope.model.heapgrowth import Cohort

Addresses = npt.NDArray[np.uint64]


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
