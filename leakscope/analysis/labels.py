"""What series are called that move and do not rise in a straight line: by the first name that fits.

Simpler explanations come before others, so a cache that filled is never called noise, and noise is
never called a step.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from leakscope.analysis.bend import bends_of
from leakscope.analysis.chance import Floats, t_bound, t_chance, walk_chance
from leakscope.analysis.judgements import CODES, Doubt
from leakscope.analysis.lines import Lines, lines_through, widened
from leakscope.analysis.ranks import Slopes
from leakscope.analysis.shape import (
    Flags,
    falls_back,
    few_steps,
    floor_rises,
    gains,
    largest_steps,
    piled_up,
    plateaus,
)
from leakscope.analysis.straight import BY_CHANCE, SLIGHT_BY_CHANCE, SLOWED, Straight
from leakscope.analysis.window import FEWEST_SAMPLES, Window
from leakscope.model.trend import Label

SERIOUS_BY_CHANCE = 0.0005
"""Chance of a rise that is not confirmed up to which a recording with it is not called clean."""

_NOT_ALL_EARLY = 0.1
"""Share of a growth that has ended which must lie after warm-up for it to be more than warm-up."""


@dataclass(frozen=True, slots=True)
class Later:
    """What series look like after the usual warm-up."""

    x: Floats
    y: Floats
    lines: Lines
    floors: Floats
    early: Floats
    extent: Floats
    gain: Floats
    plateau: NDArray[np.intp]
    step: Floats
    kept: Floats
    hollow: Floats

    @classmethod
    def of(cls, window: Window, table: Floats, floors: Floats, early: Floats) -> Later:
        """Return how the rows of `table` look on the samples of `window` after warm-up."""
        y = table[:, window.start :]
        lines = lines_through(window.later, y)
        bends = bends_of(lines)
        plateau = np.zeros(len(y), dtype=np.intp)
        higher = np.flatnonzero(y[:, -1] > y[:, 0])
        plateau[higher] = plateaus(window.later, y[higher])
        return cls(
            x=window.later,
            y=y,
            lines=lines,
            floors=floors,
            early=early,
            extent=np.ptp(y, axis=1),
            gain=gains(window.later, y, lines.slope),
            plateau=plateau,
            step=largest_steps(y),
            kept=bends.kept,
            hollow=bends.hollow,
        )

    def rises(self, sign: int) -> Flags:
        """Return whether they rise (or fall, with a `sign` of -1), by a test that knows memory."""
        t = sign * self.lines.slope / self.lines.error / widened(self.lines.memory)
        probable = t_chance(self.lines.samples - 2, t) <= BY_CHANCE
        return np.asarray(probable & (sign * self.gain >= self.floors))

    def grew(self) -> Flags:
        """Return whether they end well above where they were after warm-up."""
        risen = self.y[:, -1] - self.y[:, 0]
        least = np.maximum(self.floors, self.extent / 2)
        least = np.maximum(least, _NOT_ALL_EARLY * (self.early + risen))
        return np.asarray(risen >= least)

    def slopes(self) -> Slopes:
        """Return the slopes of the lines with their intervals, widened for memory."""
        wide = t_bound(self.lines.samples - 2) * self.lines.error * widened(self.lines.memory)
        return Slopes(self.lines.slope, self.lines.slope - wide, self.lines.slope + wide)


@dataclass(frozen=True, slots=True)
class Names:
    """What series are called that are not linear."""

    codes: NDArray[np.int8]
    """Index into `LABELS`."""
    doubt: NDArray[np.int8]
    """Why a rise is not confirmed."""
    serious: Flags
    """Whether it is too clear a rise to call the recording clean."""


def names_of(x: Floats, y: Floats, later: Later, straight: Straight) -> Names:
    """Return what the rows of `y` are called, were they not linear."""
    lately, lately_for_sure = _rises_lately(x, y, later.floors)
    risen, rising = later.grew(), later.rises(1)
    suspect = straight.rises(later.floors)
    may_be_chance = (straight.chance <= BY_CHANCE) & (straight.gain >= later.floors)
    doubts = [
        (suspect, Doubt.BENT),
        (lately, Doubt.LATELY),
        (may_be_chance & ~straight.stepped & ~straight.level_off, Doubt.BY_CHANCE),
    ]
    slows = (later.kept < SLOWED) & (later.hollow > 2) | straight.bent & (straight.kept < SLOWED)
    stopped_early = (later.early >= later.floors) & (later.early >= later.extent)
    names = [
        ((later.extent < later.floors) & (later.early >= later.floors), Label.WARM_UP),
        ((later.extent < later.floors) & ~suspect, Label.FLAT),
        (piled_up(y), Label.BACKLOG),
        (later.rises(-1), Label.SHRINKING),
        (risen & (later.early < later.extent) & few_steps(later.x, later.y), Label.STEP),
        ((risen | rising) & (later.plateau > 0), Label.FILLED),
        (rising & slows, Label.SATURATING),
        (stopped_early & ~rising, Label.WARM_UP),
        (falls_back(later.y), Label.SAWTOOTH),
        (np.any([here for here, _ in doubts], axis=0), Label.UNCONFIRMED),
        (rising & ~floor_rises(later.y), Label.SAWTOOTH),
    ]
    codes = np.select([here for here, _ in names], [CODES[name] for _, name in names], -1)
    codes[codes < 0] = CODES[Label.NOISE]
    doubt = np.select([here for here, _ in doubts], [kind for _, kind in doubts], Doubt.NONE)
    sure = (doubt == Doubt.BENT) & (straight.chance <= SLIGHT_BY_CHANCE)
    sure |= (doubt == Doubt.LATELY) & lately_for_sure
    serious = sure & (codes == CODES[Label.UNCONFIRMED])
    return Names(codes.astype(np.int8), doubt.astype(np.int8), np.asarray(serious))


def _rises_lately(x: Floats, y: Floats, floors: Floats) -> tuple[Flags, Flags]:
    """Return whether a later part alone rises, to where no sample was before; and for sure.

    The later half is looked at, and the later third: two looks, so each must be twice as sure.
    """
    n = len(x)
    lately, surely = np.zeros(len(y), dtype=bool), np.zeros(len(y), dtype=bool)
    for start in {n // 2, min(n - n // 3, n - FEWEST_SAMPLES)}:
        if n - start < FEWEST_SAMPLES:
            continue
        lines = lines_through(x[start:], y[:, start:])
        gain = lines.slope * (x[-1] - x[start])
        above = y[:, -1] - y[:, :start].max(axis=1) >= gain / 2
        chance = np.where(
            (gain >= floors) & above, 2 * walk_chance(lines.samples, lines.unexplained), 1.0
        )
        lately |= chance <= BY_CHANCE
        surely |= chance <= SERIOUS_BY_CHANCE
    return lately, surely
