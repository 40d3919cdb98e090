"""What a few pairs of measurements tell: a median, and how far it can be trusted."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Estimate:
    """The median of some values, and an interval that holds the true one in 95 of 100 cases."""

    median: float
    low: float
    high: float

    def text(self, form: str) -> str:
        """Return it in words, each number in the form of `format`."""
        return f"{self.median:{form}} [{self.low:{form}}, {self.high:{form}}]"


def estimate(values: Sequence[float]) -> Estimate:
    """Return the median of `values` with its interval.

    The interval is that of the sign test: its ends are values, the same number from either end. It
    assumes nothing of how values are spread. Fewer than six cannot give it: the ends are the least
    and the largest then.
    """
    ordered = sorted(values)
    outside = 0
    while 2 * _at_most(outside, len(ordered)) <= 0.05:
        outside += 1
    cut = max(0, outside - 1)
    return Estimate(statistics.median(ordered), ordered[cut], ordered[-1 - cut])


def _at_most(heads: int, throws: int) -> float:
    """Return how likely so many throws of a coin are to show at most so many heads."""
    ways = sum(math.comb(throws, number) for number in range(heads + 1))
    return ways / float(2**throws)
