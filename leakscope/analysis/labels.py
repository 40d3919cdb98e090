"""From the measures of series to their labels: a leak, or what else they look like.

A series that rises in a straight line to the end is called linear. Every other one is called by the
first name that fits, simpler explanations before others, so a cache that filled is never called
noise, and noise is never called a step.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from leakscope.analysis.bend import bends_of
from leakscope.analysis.chance import Floats, t_bound, t_chance, walk_chance
from leakscope.analysis.judgements import CODES, Doubt, Facts, Judgements
from leakscope.analysis.lines import Lines, lines_through, widened
from leakscope.analysis.ranks import Slopes, robust_slopes
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
from leakscope.analysis.straight import (
    BY_CHANCE,
    SLIGHT_BY_CHANCE,
    SLOWED,
    Straight,
    straight_rises,
)
from leakscope.analysis.window import (
    FEWEST_SAMPLES,
    Window,
    block_of,
    in_blocks,
    missing_samples,
    window_over,
)
from leakscope.model.trend import KeyKind, Label

SERIOUS_BY_CHANCE = 0.0005
"""Chance of a rise that is not confirmed up to which a recording with it is not called clean."""

_NOT_ALL_EARLY = 0.1
"""Share of a growth that has ended which must lie after warm-up for it to be more than warm-up."""


def judged(x: Floats, table: Floats, kinds: Sequence[KeyKind]) -> Judgements:
    """Return the judgement of each row of `table`, the values at `x`; each as if it were alone.

    `table` has shape (K, n), K >= 1; `x` increases.
    """
    samples = len(x)
    whole = window_over(x)
    early = table[:, min(whole.start, samples - 1)] - table[:, 0]
    block = block_of(samples)
    window, table = window_over(in_blocks(x)), in_blocks(table)
    draft = _Draft.of(window, table, early, samples)
    if missing_samples(samples):
        draft.codes[:] = CODES[Label.TOO_SHORT]
        return draft.judgements(block)
    least = {kind: window.floor(kind) for kind in set(kinds)}
    floors = np.array([least[kind] for kind in kinds])
    draft.moving[:] = np.ptp(table[:, 1:], axis=1) >= floors
    draft.codes[:] = np.where(early >= floors, CODES[Label.WARM_UP], CODES[Label.FLAT])
    rows = np.flatnonzero(draft.moving)
    if rows.size:
        _judge_moving(draft, rows, floors[rows])
    return draft.judgements(block)


@dataclass(slots=True)
class _Draft:
    """Judgements while they are made."""

    window: Window
    table: Floats
    early: Floats
    samples: int
    codes: NDArray[np.int8]
    estimate: Floats
    low: Floats
    high: Floats
    gain: Floats
    chance: Floats
    moving: Flags
    doubt: NDArray[np.int8]
    serious: Flags
    plateau: NDArray[np.intp]
    step: Floats
    kept: Floats
    extent: Floats

    @classmethod
    def of(cls, window: Window, table: Floats, early: Floats, samples: int) -> _Draft:
        """Return a draft in which nothing moves: slopes are bounded by how far each row moved."""
        rows = len(table)
        later = table[:, min(window.start, table.shape[1] - 1) :]
        extent = np.ptp(later, axis=1)
        bound = extent / window.span if window.span > 0 else np.zeros(rows)
        enough = table.shape[1] - window.start >= FEWEST_SAMPLES
        return cls(
            window=window,
            table=table,
            early=early,
            samples=samples,
            codes=np.zeros(rows, dtype=np.int8),
            estimate=np.zeros(rows),
            low=-bound if enough else np.zeros(rows),
            high=bound if enough else np.zeros(rows),
            gain=later[:, -1] - (later if enough else table)[:, 0],
            chance=np.ones(rows),
            moving=np.zeros(rows, dtype=bool),
            doubt=np.zeros(rows, dtype=np.int8),
            serious=np.zeros(rows, dtype=bool),
            plateau=np.zeros(rows, dtype=np.intp),
            step=np.zeros(rows),
            kept=np.ones(rows),
            extent=extent,
        )

    def judgements(self, block: int) -> Judgements:
        """Return what was drafted; `block` samples were judged as one."""
        return Judgements(
            codes=self.codes,
            slopes=Slopes(self.estimate, self.low, self.high),
            gain=self.gain,
            chance=self.chance,
            moving=self.moving,
            doubt=self.doubt,
            serious=self.serious,
            facts=Facts(
                early=self.early,
                extent=self.extent,
                values=self.table,
                plateau=self.plateau * block,
                step=self.step,
                kept=self.kept,
                samples=self.samples,
                missing=missing_samples(self.samples),
            ),
        )


def _judge_moving(draft: _Draft, rows: NDArray[np.intp], floors: Floats) -> None:
    """Fill in what is to be said of `rows`, which moved."""
    x, y = draft.window.x, draft.table[rows]
    straight = straight_rises(x, y)
    later = _Later.of(draft.window, y, floors, draft.early[rows])
    linear = straight.clear & (straight.gain >= floors)
    doubted = linear & ~straight.level_off & ~straight.stepped
    linear = doubted & ~straight.bent
    codes, doubt, serious = _named(later, straight, floors, x, y, doubted)
    codes[linear], doubt[linear], serious[linear] = CODES[Label.LINEAR], Doubt.NONE, False
    draft.codes[rows] = codes
    draft.doubt[rows] = doubt
    draft.serious[rows] = serious
    draft.chance[rows] = straight.chance
    draft.plateau[rows] = later.plateau
    draft.step[rows] = later.step
    draft.kept[rows] = np.minimum(straight.kept, later.kept)
    draft.gain[rows] = np.where(linear, straight.gain, later.gain)
    moved = later.extent >= floors
    bounds = later.slopes()
    for mine, theirs in zip(
        (draft.estimate, draft.low, draft.high),
        (bounds.estimate, bounds.low, bounds.high),
        strict=True,
    ):
        mine[rows[moved]] = theirs[moved]
    _refine_slopes(draft, rows, straight.start)


@dataclass(frozen=True, slots=True)
class _Later:
    """What series look like after the usual warm-up."""

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
    def of(cls, window: Window, table: Floats, floors: Floats, early: Floats) -> _Later:
        y = table[:, window.start :]
        lines = lines_through(window.later, y)
        bends = bends_of(lines)
        plateau = np.zeros(len(y), dtype=np.intp)
        higher = np.flatnonzero(y[:, -1] > y[:, 0])
        plateau[higher] = plateaus(y[higher])
        return cls(
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


def _named(
    later: _Later, straight: Straight, floors: Floats, x: Floats, y: Floats, doubted: Flags
) -> tuple[NDArray[np.int8], NDArray[np.int8], Flags]:
    """Return labels, doubts and whether those are serious, for series that are not linear."""
    lately, lately_for_sure = _rises_lately(x, y, floors)
    risen, rising = later.grew(), later.rises(1)
    may_be_chance = (straight.chance <= BY_CHANCE) & (straight.gain >= floors)
    doubts = [
        (doubted, Doubt.BENT),
        (lately, Doubt.LATELY),
        (may_be_chance & ~straight.stepped & ~straight.level_off, Doubt.BY_CHANCE),
    ]
    slows = (later.kept < SLOWED) & (later.hollow > 2) | straight.bent & (straight.kept < SLOWED)
    stopped_early = (later.early >= floors) & (later.early >= later.extent)
    names = [
        ((later.extent < floors) & (later.early >= floors), Label.WARM_UP),
        ((later.extent < floors) & ~doubted, Label.FLAT),
        (piled_up(y), Label.BACKLOG),
        (later.rises(-1), Label.SHRINKING),
        (risen & (later.early < later.extent) & few_steps(later.y), Label.STEP),
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
    return codes.astype(np.int8), doubt.astype(np.int8), np.asarray(serious)


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


def _refine_slopes(draft: _Draft, rows: NDArray[np.intp], starts: NDArray[np.intp]) -> None:
    """Give keys that grow or may grow robust slopes, and keys that filled those since then."""
    codes, x = draft.codes[rows], draft.window.x
    growing = np.isin(codes, [CODES[label] for label in _GROWING])
    places = np.where(growing, starts, -1)
    filled = (codes == CODES[Label.FILLED]) & (draft.plateau[rows] >= 3)
    places[filled] = len(x) - draft.plateau[rows[filled]]
    for start in np.unique(places[places >= 0]):
        here = rows[places == start]
        slopes = robust_slopes(x[start:], draft.table[here, start:])
        draft.estimate[here], draft.low[here], draft.high[here] = (
            slopes.estimate,
            slopes.low,
            slopes.high,
        )


_GROWING = (Label.LINEAR, Label.UNCONFIRMED, Label.SATURATING)
