"""Which samples a key is judged on, and how much it must gain on them to have grown at all."""

from __future__ import annotations

from dataclasses import dataclass

from leakscope.analysis.axis import Axis
from leakscope.analysis.ranks import Floats
from leakscope.model.trend import KeyKind

FEWEST_SAMPLES = 5
"""Samples after warm-up below which nothing is said about growth."""

WARM_UP_SHARE = 0.25
"""Share of the samples that is taken for warm-up, rounded down, but at least one sample."""

_FEWEST_GAINED = 10.0
_ENOUGH_GAINED = 100.0
_SHARE_OF_WORK = 0.01
_RSS_FLOOR = float(1 << 20)


@dataclass(frozen=True, slots=True)
class Window:
    """The samples of an axis from `start` on."""

    axis: Axis
    start: int

    @property
    def x(self) -> Floats:
        """Work at each of them."""
        return self.axis.x[self.start :]

    @property
    def span(self) -> float:
        """Work done between the first of them and the last."""
        return float(self.x[-1] - self.x[0]) if len(self.x) else 0.0

    def floor(self, kind: KeyKind) -> float:
        """Return the gain below which a key of `kind` has not grown to speak of.

        For objects and entries: one per 100 units of work, but never less than 10 nor more than
        100. So a handful of late cache entries is no growth, and a leak of one object in a
        thousand requests is found once enough requests were served. For RSS: 1 MiB, what
        interpreters ask the system for at a time.
        """
        if kind is KeyKind.RSS:
            return _RSS_FLOOR
        return max(_FEWEST_GAINED, min(_SHARE_OF_WORK * self.span, _ENOUGH_GAINED))


def warm_up_of(samples: int) -> int:
    """Return how many of so many samples are taken for warm-up."""
    return max(1, int(samples * WARM_UP_SHARE))


def missing_samples(samples: int) -> int:
    """Return how many more samples a verdict needs when there are so many; 0 when it needs none."""
    needed = samples
    while needed - warm_up_of(needed) < FEWEST_SAMPLES:
        needed += 1
    return needed - samples
