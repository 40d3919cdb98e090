"""From the measures of a series to its label: a leak, or what else it looks like.

The order of the questions matters: each label is given only when the simpler explanations before
it do not fit, so a cache that filled is never called noise, and noise is never called a step.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from leakscope.analysis.ranks import Floats, Slopes, sen_slopes
from leakscope.analysis.shape import Shape, shape_of
from leakscope.analysis.trial import FRESH_FROM, Trial, trial_of
from leakscope.analysis.window import FEWEST_SAMPLES, Window, missing_samples
from leakscope.model.trend import Interval, KeyKind, Label

SCREEN_P = 0.05
"""Chance up to which a rise on the screened samples, and again on the fresh ones, is accepted."""

WHOLE_P = 0.001
"""The same over all samples: noise passes both halves more easily than the whole."""

SHORT_P = 0.01
"""The same for series too short to keep a half fresh; five samples can reach it."""

CLEAR = 4.0
"""Gain, in units of what autocorrelated noise makes of itself, that a rise needs."""

STRIKING = 8.0
"""The same for a rise so clear that a recording without a confirmation is not called clean, and
for one of which no half could be kept fresh."""

SATURATED = 0.4
"""A rise that ends slower than this share of its first slope is running out."""

BENT = 0.65
"""The same for series with so little noise that a bend is seen for certain (two sigma)."""

STEP_SHARE = 0.8
"""A rise of which one increment makes more than this share is a step."""

NOT_ALL_EARLY = 0.1
"""Share of a growth that has ended which must lie after warm-up for it to be more than warm-up."""

RELATIVE_GAIN = 0.03
"""Share of its level that a key must gain, unless the gain stands far above its noise."""

_ONLY_LATELY = "rises, but not from the beginning; a longer watch settles it"
_NO_SLOPE = Interval(0.0, 0.0, 0.0)


@dataclass(frozen=True, slots=True)
class Judgement:
    """What one series was judged to be."""

    label: Label
    reason: str
    slope: Interval
    gain: float
    p: float | None = None
    """Chance that a series without growth looks like this on the confirming samples; None for
    one that was not screened for them."""
    serious: bool = False
    """Whether everything but the confirmation says, and loudly, that it leaks."""


def judged(window: Window, table: Floats, kinds: Sequence[KeyKind]) -> list[Judgement]:
    """Return the judgement of each row of `table`, the values at all x of the window's axis.

    The slope of a key that filled is the slope since it is full; that of a key which hardly moved
    is bounded by how far it moved.
    """
    if len(window.x) < FEWEST_SAMPLES:
        return [_too_short(window, row) for row in table]
    y = table[:, window.start :]
    floors = np.array([window.floor(kind) for kind in kinds])
    extent = np.ptp(y, axis=1)
    moving = extent >= floors
    results = [
        None if moves else _still(window, row, float(reach), float(floor))
        for row, reach, floor, moves in zip(table, extent, floors, moving, strict=True)
    ]
    rows = np.flatnonzero(moving)
    if rows.size:
        shape, trial = shape_of(window.x, y[rows]), trial_of(window.x, y[rows])
        for k, row in enumerate(rows):
            series = _Series(window, table[row], float(floors[row]), shape, trial, k)
            results[row] = series.judge()
    return [result for result in results if result is not None]


@dataclass(frozen=True, slots=True)
class _Series:
    """One series that moved enough to be looked at: row `k` of the measures."""

    window: Window
    values: Floats
    floor: float
    shape: Shape
    trial: Trial
    k: int

    def judge(self) -> Judgement:
        label, reason = self._label()
        striking = self.shape.clarity[self.k] >= STRIKING and self.shape.p[self.k] <= WHOLE_P
        return Judgement(
            label=label,
            reason=reason,
            slope=self._slope(label),
            gain=self.gain,
            p=float(self.trial.fresh_p[self.k]) if self._is_screened(label) else None,
            serious=bool(striking),
        )

    @property
    def gain(self) -> float:
        return float(self.shape.gain[self.k])

    @property
    def y(self) -> Floats:
        return self.values[self.window.start :]

    def _slope(self, label: Label) -> Interval:
        level = int(self.shape.plateau[self.k])
        if label is Label.FILLED and level >= 3:
            return _interval(sen_slopes(self.window.x[-level:], self.y[None, -level:]), 0)
        return _interval(self.shape.slopes, self.k)

    def _label(self) -> tuple[Label, str]:
        if self.gain <= -self.floor and self.shape.slopes.high[self.k] <= 0:
            return Label.SHRINKING, f"fell by {-self.gain:,.0f}"
        if self.gain < self.floor or self.shape.p[self.k] > SCREEN_P:
            return self._without_rise()
        return self._bounded() or self._unclear() or self._confirmed()

    def _without_rise(self) -> tuple[Label, str]:
        early, extent = gained_before(self.window, self.values), float(np.ptp(self.y))
        risen = float(self.y[-1] - self.y[0])
        if risen >= max(self.floor, extent / 2, NOT_ALL_EARLY * (early + risen)):
            if early < extent and self.shape.largest_step[self.k] > STEP_SHARE:
                return self._step()
            if self.shape.plateau[self.k]:
                return self._filled()
        if early >= self.floor and early >= extent:
            return Label.WARM_UP, f"gained {early:,.0f} at the start of the watch and no more since"
        if self._falls_back():
            return Label.SAWTOOTH, "rises and falls back, again and again"
        return Label.NOISE, "goes up and down without a steady rise"

    def _bounded(self) -> tuple[Label, str] | None:
        """Return the label of a rise that has come or is coming to its end."""
        shape, k = self.shape, self.k
        if shape.largest_step[k] > STEP_SHARE:
            return self._step()
        if shape.plateau[k]:
            return self._filled()
        ratio = shape.tail[k] / shape.head[k] if shape.head[k] > 0 else np.inf
        if ratio < SATURATED or ratio + 2 * shape.bend[k] < BENT:
            share = max(0.0, float(ratio))
            return Label.SATURATING, f"rises at {share:.0%} of the speed it had at first"
        return None

    def _unclear(self) -> tuple[Label, str] | None:
        """Return the label of a rise that noise can account for."""
        shape, k = self.shape, self.k
        if not shape.floor_rises[k]:
            return Label.SAWTOOTH, "comes back to values that it had before"
        if self.gain < RELATIVE_GAIN * np.median(self.y) and self.gain < CLEAR * shape.spread[k]:
            return Label.NOISE, f"gained {self.gain:,.0f}, less than it goes up and down"
        halves = len(self.y) >= FRESH_FROM
        unlikely = shape.p[k] <= (WHOLE_P if halves else SHORT_P)
        clear = shape.clarity[k] >= (CLEAR if halves else STRIKING)
        if shape.slopes.low[k] <= 0 or not clear or not unlikely:
            if self.trial.fresh_p[k] <= SCREEN_P < self.trial.screen_p[k]:
                return Label.UNCONFIRMED, _ONLY_LATELY
            return Label.NOISE, "rises no more than its noise may"
        return None

    def _is_screened(self, label: Label) -> bool:
        """Return whether the series came as far as the confirmation."""
        if label is Label.LINEAR:
            return True
        ended = (Label.UNCONFIRMED, Label.SATURATING)
        return label in ended and self._bounded() is None and self._unclear() is None

    def _confirmed(self) -> tuple[Label, str]:
        trial, k = self.trial, self.k
        if trial.screen_p[k] > SCREEN_P:
            return Label.UNCONFIRMED, _ONLY_LATELY
        if trial.fresh_slope[k] < trial.screen_slope[k] / 2:
            return Label.SATURATING, f"less than half as fast on the last {trial.fresh} samples"
        if trial.fresh_p[k] > SCREEN_P:
            return (
                Label.UNCONFIRMED,
                f"rises, but the last {trial.fresh} samples leave a doubt; more samples settle it",
            )
        return (
            Label.LINEAR,
            f"rises from beginning to end, and on the last {trial.fresh} samples as before",
        )

    def _filled(self) -> tuple[Label, str]:
        level, samples = float(np.median(self.y[-3:])), int(self.shape.plateau[self.k])
        return Label.FILLED, f"stays at about {level:,.0f} for the last {samples} samples"

    def _step(self) -> tuple[Label, str]:
        share = min(1.0, float(self.shape.largest_step[self.k]))
        return Label.STEP, f"one step made {share:.0%} of the rise"

    def _falls_back(self) -> bool:
        steps = np.diff(self.y)
        deepest = float(-steps.min())
        sharp = deepest >= float(np.ptp(self.y)) / 2 and deepest > 1.2 * float(steps.max())
        return sharp and float((steps > 0).mean()) >= 0.5


def gained_before(window: Window, values: Floats) -> float:
    """Return what the key gained until the window begins."""
    return float(values[min(window.start, len(values) - 1)] - values[0])


def _too_short(window: Window, values: Floats) -> Judgement:
    missing = missing_samples(len(window.axis.x))
    reason = f"{len(window.axis.x)} samples are too few, {missing} more needed"
    return Judgement(Label.TOO_SHORT, reason, _NO_SLOPE, float(values[-1] - values[0]))


def _still(window: Window, values: Floats, extent: float, floor: float) -> Judgement:
    bound = extent / window.span
    slope = Interval(0.0, -bound, bound)
    gain = float(values[-1] - values[window.start])
    early = gained_before(window, values)
    if early >= floor:
        reason = f"gained {early:,.0f} at the start of the watch and no more since"
        return Judgement(Label.WARM_UP, reason, slope, gain)
    return Judgement(Label.FLAT, f"moved by no more than {extent:,.0f}", slope, gain)


def _interval(slopes: Slopes, row: int) -> Interval:
    return Interval(float(slopes.estimate[row]), float(slopes.low[row]), float(slopes.high[row]))
