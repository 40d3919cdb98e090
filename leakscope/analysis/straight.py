"""Which series rise in a straight line to the end: what a leak looks like, and nothing else.

Three things are asked of a series, on the samples after its own warm-up. That noise hardly ever
keeps so close to a rising line, not even noise that wanders. That the line is not bent: what fills
or slows down rises too. And that the rise is not made of one step or two.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from leakscope.analysis.bend import Bends, bends_of
from leakscope.analysis.chance import Floats, t_chance, walk_chance
from leakscope.analysis.lines import Lines, lines_through, widened
from leakscope.analysis.settled import settled
from leakscope.analysis.shape import Flags, few_steps, plateaus, quiet
from leakscope.analysis.window import warm_up_of

BY_CHANCE = 0.05
"""Chance of a straight rise up to which one by a good part of the level is accepted."""

SLIGHT_BY_CHANCE = 0.0035
"""The same for a slighter rise: what wanders seldom gets far from its level."""

GOOD_PART = 0.05
"""Share of the level that is a good part of it, times the root of the samples: noise that wanders
by two per cent at each sample hardly ever gets further."""

WITHOUT_MEMORY_BY_CHANCE = 0.002
"""Chance of the slope accepted where the noise proves to have no memory: the t test holds then."""

FEWEST_FOR_PROOF = 16
"""Samples from which on noise can prove to have no memory."""

PROVEN_BY_CHANCE = 0.005
"""The least chance that is believed on that proof: noise that wanders passes it now and then."""

SLOWED = 0.65
"""A rise that keeps less than this share of its speed is running out."""

_KEPT = 0.75
"""Share of its speed that must be seen to be kept where more than the usual was warm-up."""

_BENT, _BENT_ERRORS = 0.6, 6.0
"""A line is bent that keeps less than this, by so many standard errors, its beginning counted."""

_BENT_ERRORS_IN_NOISE = 3.2
_NOISY, _NOISY_IN_FEW = 0.15, 0.04
"""Shares left unexplained from which on so few do: noise hides bends, as few samples do."""

_STOPPED, _STOPPED_ERRORS = 0.3, 2.0
"""The same for a line that all but ends."""


@dataclass(frozen=True, slots=True)
class Straight:
    """What was found out about the rise of each of `K` series."""

    start: NDArray[np.intp]
    """First sample that counts."""
    gain: Floats
    """What the line gained over the samples that count."""
    chance: Floats
    """Chance that noise keeps so close to a rising line."""
    clear: Flags
    """Whether that chance is small enough, were there no other key."""
    level_off: Flags
    """Whether it has come to rest."""
    stepped: Flags
    """Whether one step or two make the rise."""
    bent: Flags
    """Whether it slows down, or may well do so."""
    kept: Floats
    """How much of its speed it keeps, as far as can be told."""

    def rises(self, floors: Floats) -> Flags:
        """Return whether each rises along a line, bent or not, to the end, and by its floor."""
        steady = self.clear & ~self.level_off & ~self.stepped
        return np.asarray(steady & (self.gain >= floors))


def straight_rises(x: Floats, y: Floats) -> Straight:
    """Return what is to be said of the rows of `y`, shape (K, n), over increasing `x`, n >= 6."""
    warm = settled(x, y)
    groups = [np.flatnonzero(warm.start == start) for start in np.unique(warm.start)]
    parts = [_from(x, y[rows], int(warm.start[rows[0]]), warm.lag_behind[rows]) for rows in groups]
    order = np.argsort(np.concatenate(groups))
    columns = {
        field.name: np.concatenate([getattr(part, field.name) for part in parts])[order]
        for field in fields(Straight)
    }
    return Straight(**columns)


def _from(x: Floats, y: Floats, start: int, behind: Floats) -> Straight:
    """Return what is to be said of series that settle at `start` all."""
    usual = warm_up_of(len(x))
    x, y = x[start:], y[:, start:]
    lines = lines_through(x, y)
    bends = bends_of(lines)
    walk, t = _chances(lines)
    gain = lines.slope * (x[-1] - x[0])
    share = gain / np.maximum(y[:, : max(1, len(x) // 5)].mean(axis=1), 1)
    return Straight(
        start=np.full(len(y), start, dtype=np.intp),
        gain=gain,
        chance=np.minimum(walk, np.maximum(t, PROVEN_BY_CHANCE)),
        clear=_clear(walk, t, share, lines.samples),
        level_off=_levels_off(x, y),
        stepped=few_steps(x, y),
        bent=_bent(lines, bends, behind, early=start <= 1, usual=start <= usual),
        kept=bends.kept,
    )


def _levels_off(x: Floats, y: Floats) -> Flags:
    """Return whether each row ends on a level, and has so little noise that it shows."""
    off = quiet(x, y)
    off[off] = plateaus(x, y[off]) > 0
    return off


def _chances(lines: Lines) -> tuple[Floats, Floats]:
    """Return the chance of each line among walks, and where the noise has no memory that of its t.

    The second is 1 where the noise may have a memory.
    """
    n, rises = lines.samples, lines.slope > 0
    walk = np.where(rises, walk_chance(n, lines.unexplained), 1.0)
    # Dickey & Fuller's test that what is left of a trend wanders, at just under 1 %: the bound is
    # a fit to the table in Fuller (1976).
    returns = (lines.lag <= 1 - (30 - 175 / n) / n) & (n >= FEWEST_FOR_PROOF)
    t = lines.slope / lines.error / widened(lines.memory)
    return walk, np.where(rises & returns, t_chance(n - 2, t), 1.0)


def _clear(walk: Floats, t: Floats, share: Floats, samples: int) -> Flags:
    good = GOOD_PART * np.sqrt(samples)
    allowed = np.where(share >= good, BY_CHANCE, SLIGHT_BY_CHANCE)
    return np.asarray((walk <= allowed) | (t <= WITHOUT_MEMORY_BY_CHANCE))


def _bent(lines: Lines, bends: Bends, behind: Floats, *, early: bool, usual: bool) -> Flags:
    """Return whether each line slows down, or is not known well enough not to.

    What rose along its line from the first sample on must only not be seen to bend, in the
    line or in how it began. What rose faster at first is suspected to go on slowing down: it must
    be seen to keep its speed, the more surely the more of it was taken for warm-up.
    """
    n = lines.samples
    if not usual:
        return np.asarray(bends.kept - 2 * bends.error < _KEPT)
    if not early:
        return np.asarray(bends.kept - (0.5 + 7 / n) * bends.error < SLOWED)
    noisy = lines.unexplained > (_NOISY if n >= FEWEST_FOR_PROOF else _NOISY_IN_FEW)
    needed = np.where(noisy, _BENT_ERRORS_IN_NOISE, _BENT_ERRORS)
    bent = (bends.kept < _BENT) & (bends.hollow + behind > needed)
    return np.asarray(bent | ((bends.kept < _STOPPED) & (bends.hollow > _STOPPED_ERRORS)))
