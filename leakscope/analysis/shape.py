"""What series look like: steps, levels that they stay on, falls, where they end."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from leakscope.analysis.chance import Floats

Flags = NDArray[np.bool_]

STEP_SHARE = 0.8
"""A rise of which one increment makes more than this share is a step."""

_PLATEAU_BAND = 0.05
"""Samples within this share of the range of each other are on one level."""

_STANDS_OUT = 2.0
"""How many times as large as the next a second increment must be for the two to be steps."""

_FAR_APART = 2.0
"""How many times the mean distance between two samples may be for a step to be told there."""

_LEAST_REACH = 0.5
"""Share of what the fewest samples of a level reach over, were all as far apart, that they must."""

_SPREAD_FROM = 16
"""Samples from which on a step may lie between two increments."""


def gains(x: Floats, y: Floats, slope: Floats) -> Floats:
    """Return what was gained from beginning to end, the smaller of two robust estimates."""
    ends = max(1, len(x) // 5)
    reach = x[-ends:].mean() - x[:ends].mean()
    between = y[:, -ends:].mean(axis=1) - y[:, :ends].mean(axis=1)
    between = between * (x[-1] - x[0]) / max(reach, 1e-12)
    along = slope * (x[-1] - x[0])
    return np.asarray(np.where(np.abs(between) < np.abs(along), between, along))


def largest_steps(y: Floats) -> Floats:
    """Return the largest increment of each row as a share of its range."""
    return np.asarray(np.diff(y, axis=1).max(axis=1) / _range(y))


def few_steps(x: Floats, y: Floats) -> Flags:
    """Return whether one step makes the rise of each row, or two that stand out do.

    In rows of 16 samples or more a step may take two increments: it may lie between samples that
    are judged as one. What rose between samples that are far apart counts for less: that may be
    the rise of all the time between them.
    """
    first, second, third = _highest_rises(x, y, across=2 if y.shape[1] >= _SPREAD_FROM else 1)
    share = STEP_SHARE * _range(y)
    two = (first + second > share) & (second >= _STANDS_OUT * third)
    return np.asarray((first > share) | two)


def plateaus(x: Floats, y: Floats) -> NDArray[np.intp]:
    """Return how many samples at the end stay on one level, 0 after pauses two thirds as long.

    And 0 if they are too few, or so near to each other that what rises would not show.
    """
    n = y.shape[1]
    fewest = max(3, n // 6)
    far = int((x[-1] - x >= _LEAST_REACH * (fewest - 1) * _mean_distance(x)).sum())
    band = _PLATEAU_BAND * _range(y)
    level = np.median(y[:, -3:], axis=1)
    off = np.abs(y - level[:, None]) > band[:, None]
    trailing = np.asarray(np.where(off.any(axis=1), np.argmax(off[:, ::-1], axis=1), n))
    trailing[trailing < max(fewest, n - far + 1)] = 0
    for length in np.unique(trailing[(trailing > 0) & (trailing < n)]):
        rows = np.flatnonzero(trailing == length)
        paused = _pauses(y[rows, : n - length], band[rows], -(-2 * int(length) // 3))
        trailing[rows[paused]] = 0
    return trailing


def quiet(x: Floats, y: Floats) -> Flags:
    """Return whether the noise of each row is less than what its level is told by.

    The noise is how far most samples lie off the line between their neighbours, so that neither
    a curve nor a bend is taken for it.
    """
    share = (x[1:-1] - x[:-2]) / (x[2:] - x[:-2])
    off = y[:, 1:-1] - (y[:, :-2] * (1 - share) + y[:, 2:] * share)
    near = np.abs(off) < 0.4 * _PLATEAU_BAND * _range(y)[:, None]
    return np.asarray(near.mean(axis=1) > 0.5)


def piled_up(y: Floats) -> Flags:
    """Return whether each row rose from its lowest values and came back to them, to stay.

    Such is a queue that fills once, or now and then, and is worked off.
    """
    low, extent = y.min(axis=1), _range(y)
    height = (y - low[:, None]) / extent[:, None]
    ends = (height[:, 0] <= 0.25) & (height[:, -1] <= 0.25)
    above = height > 0.5
    once = np.abs(np.diff(above.astype(np.int8), axis=1)).sum(axis=1) == 2
    smooth = np.abs(np.diff(height, axis=1)).max(axis=1) < 0.6
    at_rest = np.median(height, axis=1) <= 0.2
    return np.asarray((ends & once & (smooth | at_rest)) | (at_rest & (height[:, -1] <= 0.25)))


def falls_back(y: Floats) -> Flags:
    """Return whether each row mostly rises, and falls by half its range or more at once."""
    steps = np.diff(y, axis=1)
    deepest, highest = -steps.min(axis=1), steps.max(axis=1)
    sharp = (deepest >= _range(y) / 2) & (deepest > 1.2 * highest)
    return np.asarray(sharp & ((steps > 0).mean(axis=1) >= 0.5))


def floor_rises(y: Floats) -> Flags:
    """Return whether the lowest values of the parts of each row rise and never fall."""
    parts = 3 if y.shape[1] < 12 else 4
    minima = np.stack([part.min(axis=1) for part in np.array_split(y, parts, axis=1)], axis=1)
    return np.asarray((np.diff(minima, axis=1) >= 0).all(axis=1) & (minima[:, -1] > minima[:, 0]))


def _range(y: Floats) -> Floats:
    return np.asarray(np.maximum(np.ptp(y, axis=1), 1e-12))


def _mean_distance(x: Floats) -> float:
    return float(x[-1] - x[0]) / max(1, len(x) - 1)


def _highest_rises(x: Floats, y: Floats, *, across: int) -> tuple[Floats, Floats, Floats]:
    """Return the three highest rises of each row over so many increments that do not overlap."""
    apart = (x[across:] - x[:-across]) / max(_FAR_APART * across * _mean_distance(x), 1e-12)
    rises = (y[:, across:] - y[:, :-across]) / np.maximum(apart, 1)
    rows = np.arange(len(y))
    found = []
    for _ in range(3):
        place = rises.argmax(axis=1)
        found.append(np.maximum(rises[rows, place], 0))
        for near in range(1 - across, across):
            rises[rows, np.clip(place + near, 0, rises.shape[1] - 1)] = -np.inf
    return found[0], found[1], found[2]


def _pauses(y: Floats, band: Floats, length: int) -> Flags:
    """Return whether so many consecutive samples of each row lie within `band` of the first."""
    starts = y.shape[1] - length + 1
    if starts < 1:
        return np.zeros(len(y), dtype=bool)
    still = np.ones((len(y), starts), dtype=bool)
    for later in range(1, length):
        still &= np.abs(y[:, later : later + starts] - y[:, :starts]) <= band[:, None]
    return np.asarray(still.any(axis=1))
