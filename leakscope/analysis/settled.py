"""Where warm-up ends, series by series: it is tested, not taken for granted.

A quarter of the samples is taken for warm-up. A key that rose along its later line from the first
sample on needs no warm-up, and all its samples speak for it. One that is still rising faster than
it does later has not settled after a quarter; more is dropped then, up to half.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from leakscope.analysis.chance import Floats
from leakscope.analysis.lines import MOST_MEMORY, lines_through, widened
from leakscope.analysis.window import FEWEST_SAMPLES, warm_up_of

UNSETTLED = 4.0
"""Standard errors below the later line from which on samples are not yet on it."""

_FEWEST_AFTER_MORE = 7
"""Samples that must be left for more than a quarter to be dropped."""


@dataclass(frozen=True, slots=True)
class Settled:
    """Where each of `K` series settles."""

    start: NDArray[np.intp]
    """First sample after warm-up; `warm_up_of` all samples where it never settles."""
    lag_behind: Floats
    """How far the first quarter lies below the later line, in standard errors that allow for noise
    with a memory: large where the series rose faster at first."""


def settled(x: Floats, y: Floats) -> Settled:
    """Return where the rows of `y`, shape (K, n), n >= 6, settle."""
    n = len(x)
    usual = warm_up_of(n)
    start = np.full(len(y), -1, dtype=np.intp)
    behind = np.zeros(len(y))
    candidates = _candidates(n)
    for place, first in enumerate(candidates):
        after = candidates[place + 1] if place + 1 < len(candidates) else first + max(1, n // 8)
        open_rows = np.flatnonzero(start < 0)
        if n - after < FEWEST_SAMPLES - 1 or not open_rows.size:
            start[open_rows] = first
            break
        errors, memory = _below(x[first:], y[open_rows, first:], after - first)
        start[open_rows[errors < UNSETTLED]] = first
        if place == 0:
            behind[open_rows] = errors / widened(np.minimum(memory, MOST_MEMORY))
    start[start < 0] = usual
    return Settled(start, behind)


def _candidates(n: int) -> list[int]:
    """Return the samples at which a series of `n` may be taken to be settled, in order."""
    usual = warm_up_of(n)
    more = [at for at in (3 * n // 8, n // 2) if n - at >= _FEWEST_AFTER_MORE]
    return sorted({1, usual, *more})


def _below(x: Floats, y: Floats, head: int) -> tuple[Floats, Floats]:
    """Return how far the first `head` samples lie below the line of the others, in its errors.

    And the memory of the noise around that line.
    """
    line = lines_through(x[head:], y[:, head:])
    away = x[:head].mean() - line.x.mean()
    expected = line.mean + line.slope * away
    share = 1 / head + 1 / line.samples + away**2 / ((line.x - line.x.mean()) ** 2).sum()
    return (expected - y[:, :head].mean(axis=1)) / np.sqrt(line.spread * share), line.memory
