"""Straight lines through many series at once, and what they leave unexplained."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from leakscope.analysis.chance import Floats

_ROUNDING = 1 / 12
"""Variance that whole numbers have at least: no line through them is better known."""

_MOST_TOLD = 0.9

MOST_MEMORY = 0.6
"""What the memory of noise is taken for at most where a bend is looked for: few samples cannot tell
a bend from noise with a longer one, and bends are the more frequent."""


@dataclass(frozen=True, slots=True)
class Lines:
    """Least-squares lines through `K` series over the same `n` samples."""

    x: Floats
    mean: Floats
    """Mean of each series: its line at the mean of `x`."""
    slope: Floats
    residuals: Floats
    """Shape (K, n)."""
    squares: Floats
    """Sum of the squared residuals, with what rounding alone makes of it."""
    unexplained: Floats
    """Share of the variation that the line leaves, 0 to 1."""
    memory: Floats
    """How far the noise follows itself: `memory_of` the residuals."""

    @property
    def samples(self) -> int:
        """How many samples the lines go through."""
        return len(self.x)

    @property
    def spread(self) -> Floats:
        """Variance around the line."""
        return np.asarray(self.squares / max(1, self.samples - 2))

    @property
    def error(self) -> Floats:
        """Standard error of the slope, were the noise without memory."""
        return np.asarray(np.sqrt(self.spread / _squares(self.x)))

    @property
    def lag(self) -> Floats:
        """Lag-1 correlation of the residuals, as it is: too low in short series."""
        product = (self.residuals[:, 1:] * self.residuals[:, :-1]).sum(axis=1)
        return np.asarray(product / self.squares)


def lines_through(x: Floats, y: Floats) -> Lines:
    """Return the lines through the rows of `y`, shape (K, n), over increasing `x`, n >= 2."""
    n, away = len(x), x - x.mean()
    mean = y.mean(axis=1)
    around = y - mean[:, None]
    slope = around @ away / _squares(x)
    residuals = around - slope[:, None] * away
    squares = (residuals**2).sum(axis=1) + n * _ROUNDING
    total = (around**2).sum(axis=1) + n * _ROUNDING
    return Lines(x, mean, slope, residuals, squares, squares / total, memory_of(residuals))


def memory_of(residuals: Floats) -> Floats:
    """Return the lag-1 correlation of each row, 0 to 0.9, corrected for the length of the series.

    Short series seem to follow themselves less than they do, the more so around a fitted line
    (Marriott & Pope 1954).
    """
    n = residuals.shape[1]
    squares = np.maximum((residuals**2).sum(axis=1), 1e-12)
    lag = (residuals[:, 1:] * residuals[:, :-1]).sum(axis=1) / squares
    return np.asarray(np.clip((lag + 2 / n) / max(1e-9, 1 - 4 / n), 0, _MOST_TOLD))


def widened(memory: Floats) -> Floats:
    """Return by how much noise with that memory widens the errors of slopes and means."""
    return np.asarray(np.sqrt((1 + memory) / (1 - memory)))


def _squares(x: Floats) -> float:
    return float(((x - x.mean()) ** 2).sum())
