"""What series look like, in numbers: how they begin and end, their largest jump, their floor."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from leakscope.analysis.ranks import Floats, Slopes, rising_p, sen_slopes

Flags = NDArray[np.bool_]

_PLATEAU_BAND = 0.05
"""Samples within this share of the range of each other are on one level."""


@dataclass(frozen=True, slots=True)
class Shape:
    """Measures of `K` series over the same `n` samples; every array has `K` entries."""

    slopes: Slopes
    """Over all samples."""
    p: Floats
    """One-sided p-value of a rise over all samples."""
    gain: Floats
    """What was gained from beginning to end, the smaller of two robust estimates."""
    clarity: Floats
    """The gain in units of what noise alone, autocorrelated as it is, would make of it."""
    spread: Floats
    """How far samples stray from the line, the middle four fifths of them."""
    head: Floats
    """Slope over the first third."""
    tail: Floats
    """Slope over the last third."""
    bend: Floats
    """Standard error of `tail / head` that the spread accounts for."""
    largest_step: Floats
    """Largest increment as a share of the range."""
    floor_rises: Flags
    """Whether the lowest values of the parts of the series rise and never fall."""
    plateau: NDArray[np.intp]
    """How many samples at the end stay on one level, 0 when earlier pauses were as long."""


def shape_of(x: Floats, y: Floats) -> Shape:
    """Return the measures of the rows of `y`, shape (K, n), over `x`, n >= 3."""
    n = len(x)
    slopes = sen_slopes(x, y)
    residuals = y - slopes.estimate[:, None] * x
    residuals -= np.median(residuals, axis=1, keepdims=True)
    spread = np.subtract(*np.quantile(residuals, (0.9, 0.1), axis=1))
    gain = _gain(x, y, slopes.estimate)
    third = max(3, -(-n // 3))
    head = sen_slopes(x[:third], y[:, :third]).estimate
    tail = sen_slopes(x[-third:], y[:, -third:]).estimate
    span = (x[third - 1] - x[0] + x[-1] - x[-third]) / 2
    extent = np.maximum(np.ptp(y, axis=1), 1e-12)
    return Shape(
        slopes=slopes,
        p=rising_p(y),
        gain=gain,
        clarity=_clarity(x, gain, residuals),
        spread=spread,
        head=head,
        tail=tail,
        bend=_jitter(x, y) * np.sqrt(24 / third) / span / np.maximum(np.abs(head), 1e-12),
        largest_step=np.diff(y, axis=1).max(axis=1) / extent,
        floor_rises=_floor_rises(y),
        plateau=_plateau(y),
    )


def _gain(x: Floats, y: Floats, slope: Floats) -> Floats:
    ends = max(1, len(x) // 5)
    reach = x[-ends:].mean() - x[:ends].mean()
    between = y[:, -ends:].mean(axis=1) - y[:, :ends].mean(axis=1)
    between = between * (x[-1] - x[0]) / max(reach, 1e-12)
    along = slope * (x[-1] - x[0])
    return np.asarray(np.where(np.abs(between) < np.abs(along), between, along))


def _jitter(x: Floats, y: Floats) -> Floats:
    """Return the standard deviation of the noise from sample to sample, whatever the curve.

    From how far each sample lies off the line between its neighbours.
    """
    share = (x[1:-1] - x[:-2]) / (x[2:] - x[:-2])
    off = y[:, 1:-1] - (y[:, :-2] * (1 - share) + y[:, 2:] * share)
    return np.asarray(np.sqrt((off**2).mean(axis=1) / 1.5))


def _clarity(x: Floats, gain: Floats, residuals: Floats) -> Floats:
    """Return the gain in units of what noise alone would make of it.

    The noise may follow itself: the standard error of the slope is widened by
    sqrt((1 + r) / (1 - r)) for its lag-1 correlation r, which short series underestimate and
    which is corrected for that (Marriott & Pope 1954).
    """
    n = residuals.shape[1]
    squares = np.maximum((residuals**2).sum(axis=1), 1e-12)
    lag = (residuals[:, 1:] * residuals[:, :-1]).sum(axis=1) / squares
    lag = np.clip((lag + 2 / n) / (1 - 4 / n), 0, 0.9)
    error = np.sqrt(squares / max(1, n - 2) / ((x - x.mean()) ** 2).sum())
    error *= np.sqrt((1 + lag) / (1 - lag)) * (x[-1] - x[0])
    return np.asarray(np.abs(gain) / error)


def _floor_rises(y: Floats) -> Flags:
    parts = 3 if y.shape[1] < 12 else 4
    minima = np.stack([part.min(axis=1) for part in np.array_split(y, parts, axis=1)], axis=1)
    return np.asarray((np.diff(minima, axis=1) >= 0).all(axis=1) & (minima[:, -1] > minima[:, 0]))


def _plateau(y: Floats) -> NDArray[np.intp]:
    n = y.shape[1]
    band = _PLATEAU_BAND * np.ptp(y, axis=1)
    level = np.median(y[:, -3:], axis=1)
    off = np.abs(y - level[:, None]) > band[:, None]
    trailing = np.asarray(np.where(off.any(axis=1), np.argmax(off[:, ::-1], axis=1), n))
    for row in np.flatnonzero(trailing >= max(3, n // 6)):
        if trailing[row] <= 1.5 * _longest_pause(y[row, : n - trailing[row]], float(band[row])):
            trailing[row] = 0
    trailing[trailing < max(3, n // 6)] = 0
    return np.asarray(trailing)


def _longest_pause(values: Floats, band: float) -> int:
    """Return the most consecutive samples that lie within `band` of the first of them."""
    longest = 0
    for start in range(len(values)):
        off = np.abs(values[start:] - values[start]) > band
        longest = max(longest, int(np.argmax(off)) if off.any() else len(values) - start)
    return longest
