"""Which samples a key is judged on, and how much it must gain on them to have grown at all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from leakscope.analysis.axis import Axis
from leakscope.analysis.chance import Floats
from leakscope.model.trend import KeyKind

FEWEST_SAMPLES = 5
"""Samples after warm-up below which nothing is said about growth."""

WARM_UP_SHARE = 0.25
"""Share of the samples that is taken for warm-up, rounded down, but at least one sample."""

BLOCKS = 24
"""Long series are judged on means of neighbouring samples, on so many or up to half as many more.

Noise that follows itself from sample to sample does so less from mean to mean, what is known of
short series holds for long ones, and a watch of hours is judged as fast as one of minutes.
"""

_FEWEST_OBJECTS = 10.0
_ENOUGH_OBJECTS = 100.0
_SHARE_OF_WORK = 0.01
_PER_READ = 4.0

FEWEST_GAINED = {
    KeyKind.SIZE: float(16 << 10),
    KeyKind.RSS: float(1 << 20),
    KeyKind.LAYER: float(1 << 20),
    KeyKind.SITE: float(64 << 10),
    KeyKind.THREADS: 3.0,
    KeyKind.FDS: 5.0,
}
"""What keys must gain that are not counted in objects, in their own units.

A MiB is what interpreters ask the system for at a time, and some KiB what a table takes that is
made anew when it is full; a few threads and files come and go with pools that fill.
"""


@dataclass(frozen=True, slots=True)
class Window:
    """The samples of a watch, and those of them that come after the usual warm-up."""

    x: Floats
    """Work done (or seconds gone by) at each sample."""
    start: int
    """The first sample after warm-up."""

    @property
    def first(self) -> int:
        """The first sample that growth is measured from; the last one when all are warm-up."""
        return min(self.start, len(self.x) - 1)

    @property
    def later(self) -> Floats:
        """Work at each sample after warm-up."""
        return self.x[self.start :]

    @property
    def span(self) -> float:
        """Work done between the first of them and the last."""
        return float(self.x[-1] - self.x[self.first])


def least_gains(axis: Axis, kinds: Sequence[KeyKind]) -> Floats:
    """Return the gain below which a key of each kind has not grown to speak of.

    For objects, entries and tasks: one per 100 units of work, but never less than 10 nor more
    than 100. So a handful of late cache entries is no growth, and a leak of one object in a
    thousand requests is found once enough requests were served. For objects also four for each
    time that the target was asked for its counter since warm-up: what served it (a connection, its
    timers) may wait for gc or for its time, and a few more at each sample look like a leak in a
    straight line.
    """
    window = window_over(axis.x)
    usual = max(_FEWEST_OBJECTS, min(_SHARE_OF_WORK * window.span, _ENOUGH_OBJECTS))
    least = dict.fromkeys(KeyKind, usual) | FEWEST_GAINED
    least[KeyKind.TYPE] = max(usual, _PER_READ * axis.reads_since(window.first))
    return np.array([least[kind] for kind in kinds])


def window_over(x: Floats) -> Window:
    """Return the window over samples at `x`."""
    return Window(x, warm_up_of(len(x)))


def warm_up_of(samples: int) -> int:
    """Return how many of so many samples are taken for warm-up."""
    return max(1, int(samples * WARM_UP_SHARE))


def missing_samples(samples: int) -> int:
    """Return how many more samples a verdict needs when there are so many; 0 when it needs none."""
    needed = samples
    while needed - warm_up_of(needed) < FEWEST_SAMPLES:
        needed += 1
    return needed - samples


def block_of(samples: int) -> int:
    """Return how many of so many samples are judged as one: 1 for less than twice `BLOCKS`."""
    return max(1, samples // BLOCKS)


def in_blocks(values: Floats) -> Floats:
    """Return the means of each `block_of` neighbours along the last axis.

    What is left over is left out at the beginning, which is warm-up in any case.
    """
    samples = values.shape[-1]
    block = block_of(samples)
    if block == 1:
        return values
    first = samples % block
    total = values[..., first::block].copy()
    for place in range(first + 1, first + block):
        total += values[..., place::block]
    return np.asarray(total / block)
