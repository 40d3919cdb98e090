"""What pairs of measurements tell: a value, and how far it can be trusted."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

MOST_TRIES = 3
"""Measurements that are made for each one that is wanted and not disturbed, at most."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """The middle of some values, and an interval that holds the true one in 95 of 100 cases."""

    middle: float
    low: float
    high: float

    def text(self, form: str) -> str:
        """Return it in words, each number in the form of `format`."""
        return f"{self.middle:{form}} [{self.low:{form}}, {self.high:{form}}]"


def estimate(values: Sequence[float]) -> Estimate:
    """Return the middle of `values` with its interval.

    The middle is the median of the means of all pairs of values, each with itself too, and the
    interval goes with the signed-rank test (Hodges and Lehmann 1963): values that lie far out
    hardly count. Values are taken to lie evenly about the true one. Fewer than six cannot give an
    interval: its ends are the least and the largest then.
    """
    drawn = np.asarray(values, dtype=np.float64)
    first, second = np.triu_indices(len(drawn))
    means = np.sort((drawn[first] + drawn[second]) / 2)
    cut = _outside(len(drawn))
    return Estimate(float(np.median(means)), float(means[cut]), float(means[-1 - cut]))


def _outside(count: int) -> int:
    """Return how many means of pairs are left out at either end.

    By the normal approximation of the signed-rank statistic, which is exact enough from six on.
    """
    spread = math.sqrt(count * (count + 1) * (2 * count + 1) / 24)
    return max(0, math.floor(count * (count + 1) / 4 - 1.96 * spread) - 1)
