"""Rank statistics over many series at once: Theil-Sen slopes and Mann-Kendall tests.

SciPy has both for one series at a time (`scipy.stats.theilslopes`, `kendalltau`) and takes half a
second to import; a watch judges thousands of series after each sample. Slopes and intervals here
are those of `theilslopes` to the last digit, and the tests hold them against it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

_Z95 = 1.959963984540054
_CELLS_AT_ONCE = 4_000_000


@dataclass(frozen=True, slots=True)
class Slopes:
    """Theil-Sen slopes of `K` series with their 95 % intervals (Sen 1968)."""

    estimate: Floats
    low: Floats
    high: Floats


def sen_slopes(x: Floats, y: Floats) -> Slopes:
    """Return the slopes of the rows of `y`, shape (K, n), over strictly increasing `x`, n >= 2."""
    parts = [_sen(x, rows) for rows in _chunks(y)]
    estimate, low, high = (np.concatenate(column) for column in zip(*parts, strict=True))
    return Slopes(estimate, low, high)


def rising_p(y: Floats) -> Floats:
    """Return the one-sided Mann-Kendall p-value of a rise for each row of `y`, (K, n >= 2).

    Exact for rows without ties; the tie-corrected normal approximation with continuity
    correction for rows with ties.
    """
    return np.concatenate([_rising(rows) for rows in _chunks(y)])


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


def _rising(y: Floats) -> Floats:
    n = y.shape[1]
    i, j = _pairs(n)
    rises = y[:, j] - y[:, i]
    score = np.sign(rises).sum(axis=1).astype(int)
    tied = (rises == 0).any(axis=1)
    tail = _exact_tail(n)
    p = tail[(score + n * (n - 1) // 2 + 1) // 2]
    if tied.any():
        deviation = np.sqrt(np.maximum(_variance(rises[tied], n), 1e-12))
        z = (score[tied] - np.sign(score[tied])) / deviation
        p = p.copy()
        p[tied] = [0.5 * math.erfc(value / math.sqrt(2)) for value in z]
    return np.asarray(p)


def _variance(rises: Floats, n: int) -> Floats:
    """Return the variance of Kendall's score under no trend, corrected for ties."""
    i, j = _pairs(n)
    ends = np.zeros((len(i), n), dtype=np.float32)
    ends[np.arange(len(i)), i] = 1
    ends[np.arange(len(i)), j] = 1
    alike = 1 + (rises == 0).astype(np.float32) @ ends
    excess = ((alike - 1) * (2 * alike + 5)).sum(axis=1)
    return np.asarray((n * (n - 1) * (2 * n + 5) - excess) / 18, dtype=np.float64)


@lru_cache(maxsize=64)
def _exact_tail(n: int) -> Floats:
    """Return P(at least k of the n(n-1)/2 pairs rise) for each k, all orders being alike."""
    share: Floats = np.ones(1)
    for size in range(2, n + 1):
        share = np.asarray(np.convolve(share, np.full(size, 1 / size)))
    return np.asarray(np.minimum(np.cumsum(share[::-1])[::-1], 1.0))
