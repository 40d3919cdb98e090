"""Whether a rise slows down: how fast series end compared with how they began."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from leakscope.analysis.chance import Floats
from leakscope.analysis.lines import MOST_MEMORY, Lines, memory_of, widened

_TINY = 1e-12


@dataclass(frozen=True, slots=True)
class Bends:
    """The parabola through each of `K` series, told by its ends."""

    kept: Floats
    """Speed in the last third over speed in the first: 1 is straight, 0 has come to rest."""
    error: Floats
    """Standard error of `kept`, with what memory of the noise adds to it."""
    hollow: Floats
    """How much slower it gets, in standard errors; negative where it gets faster."""


def bends_of(lines: Lines) -> Bends:
    """Return how the series that `lines` (of at least 5 samples) go through are bent."""
    n, x = lines.samples, lines.x - lines.x.mean()
    squares = float((x**2).sum())
    lean = float((x**3).sum()) / squares
    curve = x**2 - (x**2).mean() - lean * x
    weight = float((curve**2).sum())
    bend = lines.residuals @ curve / weight
    left = np.maximum(lines.squares - bend**2 * weight, n / 12)
    memory = np.minimum(memory_of(lines.residuals - bend[:, None] * curve), MOST_MEMORY)
    error = np.sqrt(left / max(1, n - 3) / weight) * widened(memory)
    third = 2 * (x[-1] - x[0]) / 3
    head = lines.slope - bend * (third + lean)
    tail = lines.slope + bend * (third - lean)
    kept = np.where(head > 0, tail / np.maximum(head, _TINY), np.inf)
    return Bends(
        kept=np.asarray(kept),
        error=2 * third * error * np.abs(lines.slope) / np.maximum(np.abs(head), _TINY) ** 2,
        hollow=-bend / error,
    )
