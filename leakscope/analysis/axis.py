"""What growth is measured against: work done, or seconds.

Samples between which (next to) no work was done are one sample taken several times: only the last
of them counts, when what was in flight has come to rest.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from leakscope.analysis.chance import Floats
from leakscope.model.census import Census
from leakscope.model.recording import Recording

_LEAST_ADVANCE = 0.05
"""Samples nearer to each other than this share of the mean distance are one sample."""

_READS = 2
"""The counter is read before each census and after it."""


@dataclass(frozen=True, slots=True)
class Axis:
    """The x of every trend."""

    x: Floats
    """Work done (or seconds gone by) since the first census; strictly increasing."""
    samples: NDArray[np.intp]
    """Index of the census that each x belongs to."""
    total: float
    """Work done between the first census and the last."""
    seconds: float
    asks: bool = False
    """Whether the target was asked for its counter at each census."""

    def reads_since(self, start: int) -> int:
        """Return how often the target was asked for its counter since the x at index `start`."""
        return _READS * int(self.samples[-1] - self.samples[start]) if self.asks else 0

    @property
    def per_second(self) -> float:
        """Units of x per second, 0 when no time went by."""
        return self.total / self.seconds if self.seconds > 0 else 0.0


def axis_of(recording: Recording) -> Axis:
    """Return the axis of `recording`; one x only when no work was done."""
    if recording.counts_work:
        done = work_done(recording.censuses)
    else:
        done = seconds_gone(recording.censuses)
    total = float(done[-1])
    kept = _apart(done, _LEAST_ADVANCE * total / max(1, len(done) - 1))
    return Axis(
        x=done[kept],
        samples=kept,
        total=total,
        seconds=recording.seconds,
        asks=recording.counts_work and not recording.at_rest,
    )


def seconds_gone(censuses: Sequence[Census]) -> Floats:
    """Return the seconds since the first census, at each census; never decreasing."""
    at = np.array([census.at for census in censuses], dtype=float)
    return np.asarray(np.maximum.accumulate(at - at[0]))


def work_done(censuses: Sequence[Census]) -> Floats:
    """Return the work done since the first census, at each census; never decreasing.

    A counter that falls was reset: what it shows then was done since. Where it could not be read
    it is interpolated over time; a counter never read counts as no work.
    """
    at = seconds_gone(censuses)
    read = [(t, c.work) for t, c in zip(at, censuses, strict=True) if c.work is not None]
    if len(read) < 2:
        return np.zeros(len(at))
    counter = np.array([value for _, value in read], dtype=float)
    steps = np.diff(counter)
    steps = np.where(steps < 0, np.maximum(counter[1:], 0), steps)
    done = np.concatenate(([0.0], np.cumsum(steps)))
    return np.asarray(np.interp(at, [t for t, _ in read], done))


def _apart(done: Floats, least: float) -> NDArray[np.intp]:
    """Return the last index of each group of values nearer than `least` to the group's first."""
    kept: list[int] = []
    begin = done[0]
    for index in range(1, len(done)):
        if done[index] - begin > max(least, 0.0):
            kept.append(index - 1)
            begin = done[index]
    kept.append(len(done) - 1)
    return np.array(kept, dtype=np.intp)
