"""Theil-Sen slopes of many series at once, and false discoveries among many tests.

SciPy has both (`scipy.stats.theilslopes`, `false_discovery_control`), the slopes for one series at
a time, and takes a third of a second to import. Slopes and intervals here are those of
`theilslopes` to the last digit, and the tests hold them against it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from leakscope.analysis.chance import Floats, t_bound
from leakscope.analysis.lines import lines_through, widened

_Z95 = 1.959963984540054
_NOTICED_MEMORY = 0.3
_FEWEST_WITH_MEMORY = 5
_CELLS_AT_ONCE = 4_000_000


@dataclass(frozen=True, slots=True)
class Slopes:
    """Slopes of `K` series with their 95 % intervals."""

    estimate: Floats
    low: Floats
    high: Floats

    def of(self, rows: NDArray[np.bool_]) -> Slopes:
        """Return the slopes of some rows."""
        return Slopes(self.estimate[rows], self.low[rows], self.high[rows])

    def put(self, rows: NDArray[np.intp], slopes: Slopes) -> None:
        """Set the slopes of some rows."""
        self.estimate[rows] = slopes.estimate
        self.low[rows] = slopes.low
        self.high[rows] = slopes.high


def sen_slopes(x: Floats, y: Floats) -> Slopes:
    """Return Theil-Sen slopes of the rows of `y`, shape (K, n), over increasing `x`, n >= 2."""
    parts = [_sen(x, rows) for rows in _chunks(y)]
    estimate, low, high = (np.concatenate(column) for column in zip(*parts, strict=True))
    return Slopes(estimate, low, high)


def robust_slopes(x: Floats, y: Floats) -> Slopes:
    """Return the same slopes, with intervals that are wider where the noise follows itself.

    Rank intervals take each sample for news. Where the lag-1 correlation of what the line leaves is
    above 0.3 they are widened by what it does to the error of a slope.
    """
    slopes = sen_slopes(x, y)
    if len(x) < _FEWEST_WITH_MEMORY:
        return slopes
    memory = lines_through(x, y).memory
    more = widened(memory) * t_bound(len(x) - 2) / _Z95
    wide = np.where(memory > _NOTICED_MEMORY, more, 1.0)
    return Slopes(
        slopes.estimate,
        slopes.estimate - wide * (slopes.estimate - slopes.low),
        slopes.estimate + wide * (slopes.high - slopes.estimate),
    )


def false_discoveries_controlled(p: Floats, q: float = 0.05) -> NDArray[np.bool_]:
    """Return which of `p` stand at a false discovery rate of `q` (Benjamini & Hochberg 1995)."""
    kept = np.zeros(len(p), dtype=bool)
    order = np.argsort(p, kind="stable")
    passing = np.flatnonzero(p[order] <= q * np.arange(1, len(p) + 1) / max(1, len(p)))
    if passing.size:
        kept[order[: passing[-1] + 1]] = True
    return kept


def _chunks(y: Floats) -> Iterator[Floats]:
    pairs = y.shape[1] * (y.shape[1] - 1) // 2
    rows = max(1, _CELLS_AT_ONCE // max(1, pairs))
    for start in range(0, max(1, len(y)), rows):
        yield y[start : start + rows]


def _pairs(n: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    first, second = np.triu_indices(n, 1)
    return first, second


def _sen(x: Floats, y: Floats) -> tuple[Floats, Floats, Floats]:
    i, j = _pairs(len(x))
    rises = y[:, j] - y[:, i]
    sigma = np.sqrt(_variance(rises, len(x)))
    slopes = np.sort(rises / (x[j] - x[i]), axis=1)
    count = slopes.shape[1]
    upper = np.minimum(np.round((count + _Z95 * sigma) / 2).astype(int), count - 1)
    lower = np.maximum(np.round((count - _Z95 * sigma) / 2).astype(int) - 1, 0)
    rows = np.arange(len(y))
    middle = (slopes[:, (count - 1) // 2] + slopes[:, count // 2]) / 2
    return middle, slopes[rows, lower], slopes[rows, upper]


def _variance(rises: Floats, n: int) -> Floats:
    """Return the variance of Kendall's score under no trend, corrected for ties."""
    variance = np.full(len(rises), n * (n - 1) * (2 * n + 5) / 18)
    equal = rises == 0
    tied = np.flatnonzero(equal.any(axis=1))
    if tied.size:
        i, j = _pairs(n)
        ends = np.zeros((len(i), n), dtype=np.float32)
        ends[np.arange(len(i)), i] = 1
        ends[np.arange(len(i)), j] = 1
        alike = 1 + equal[tied].astype(np.float32) @ ends
        variance[tied] -= ((alike - 1) * (2 * alike + 5)).sum(axis=1) / 18
    return np.asarray(np.maximum(variance, 0))
