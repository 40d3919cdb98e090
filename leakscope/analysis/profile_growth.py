"""What grew from one heap profile to a later one, by the place that allocated it. Pure."""

from __future__ import annotations

import math
from collections import defaultdict

import numpy as np

from leakscope.analysis.allocation import sampled_share
from leakscope.model.allocation import HeapProfile, PlaceGrowth, ProfiledPlace
from leakscope.model.evidence import Site
from leakscope.model.trend import Interval

_WITHIN = 1.96
"""Standard deviations that hold 95 % of a normal distribution."""


def profile_growth(before: HeapProfile, after: HeapProfile) -> tuple[PlaceGrowth, ...]:
    """Return how each place grew, most growth first, then by place; what shrank comes last.

    A profile keeps weighted sums. How far these can be trusted is told from the size of the blocks
    and the rate of the samples: each of about `n` samples stands for its weight.
    """
    of: defaultdict[tuple[Site, ...], list[ProfiledPlace | None]]
    of = defaultdict(lambda: [None, None])
    for at, profile in enumerate((before, after)):
        for place in profile.places:
            of[place.calls][at] = place
    grown = [
        _growth(calls, (first, before.mean_bytes), (last, after.mean_bytes))
        for calls, (first, last) in of.items()
    ]
    grown.sort(key=lambda each: (-each.growth.estimate, each.calls))
    return tuple(grown)


def _growth(
    calls: tuple[Site, ...],
    first: tuple[ProfiledPlace | None, int],
    last: tuple[ProfiledPlace | None, int],
) -> PlaceGrowth:
    before, after = (0 if place is None else place.bytes for place, _ in (first, last))
    spread = _WITHIN * math.sqrt(_variance(*first) + _variance(*last))
    growth = float(after - before)
    return PlaceGrowth(calls, before, after, Interval(growth, growth - spread, growth + spread))


def _variance(place: ProfiledPlace | None, mean_bytes: int) -> float:
    """Return the variance of a place's bytes: its samples times the square of their weight."""
    if place is None or mean_bytes <= 0:
        return 0.0
    size = place.bytes / place.objects if place.objects > 0 else 0.0
    share = float(sampled_share(np.float64(size), mean_bytes))
    weight = size / share if share > 0 else float(mean_bytes)
    return max(0.0, place.bytes * weight * (1 - share))
