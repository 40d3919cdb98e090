"""What series were judged to be, for many at once, and the words for it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from leakscope.analysis.chance import Floats
from leakscope.analysis.ranks import Slopes
from leakscope.model.trend import Interval, Label

LABELS = tuple(Label)
CODES = {label: code for code, label in enumerate(LABELS)}


class Doubt(IntEnum):
    """Why a rise is not confirmed."""

    NONE = 0
    BENT = 1
    LATELY = 2
    BY_CHANCE = 3
    AMONG_MANY = 4


@dataclass(frozen=True, slots=True)
class Facts:
    """What the reasons speak of; arrays have one entry per series."""

    early: Floats
    """What was gained before the usual warm-up ended."""
    extent: Floats
    """Highest less lowest value after that."""
    values: Floats
    """The series themselves, long ones as means of neighbours."""
    plateau: NDArray[np.intp]
    """How many values it has been at its last level."""
    step: Floats
    """Largest increment as a share of the range."""
    kept: Floats
    """How much of its speed it keeps."""
    samples: int
    """Samples there are."""
    block: int
    """How many of them make one value."""
    missing: int
    """Samples that are missing for a verdict."""


@dataclass(frozen=True, slots=True)
class Judgements:
    """What `K` series were judged to be."""

    codes: NDArray[np.int8]
    """Index into `LABELS`."""
    slopes: Slopes
    """Per unit of work: of a key that filled since it is full; of one that hardly moved bounded by
    how far it moved."""
    gain: Floats
    """What was gained after warm-up."""
    chance: Floats
    """Chance that noise rises as straight; 1 for what did not move."""
    moving: NDArray[np.bool_]
    """Whether they moved enough to be looked at: those that may seem to grow by chance."""
    doubt: NDArray[np.int8]
    serious: NDArray[np.bool_]
    """Whether everything but a confirmation says, and loudly, that they leak."""
    facts: Facts

    def __len__(self) -> int:
        return len(self.codes)

    def label(self, row: int) -> Label:
        """Return the label of one series."""
        return LABELS[int(self.codes[row])]

    def slope(self, row: int) -> Interval:
        """Return the slope of one series with its 95 % interval."""
        found = self.slopes
        return Interval(float(found.estimate[row]), float(found.low[row]), float(found.high[row]))

    def reason(self, row: int) -> str:
        """Return one clause that says why one series has its label."""
        label = self.label(row)
        if label is Label.UNCONFIRMED:
            return _DOUBTS[Doubt(self.doubt[row])].format(odds=_odds(self.chance[row]))
        return _REASONS[label](self, row)


def _odds(chance: float) -> str:
    times = 1 / max(chance, 1e-9)
    return f"{float(f'{times:.1g}'):,.0f}"


_DOUBTS = {
    Doubt.NONE: "rises; more samples settle it",
    Doubt.BENT: "rises, but it may be slowing down; a longer watch settles it",
    Doubt.LATELY: "rises, but not from the beginning; a longer watch settles it",
    Doubt.BY_CHANCE: "rises, but so does noise, once in {odds} times; more samples settle it",
    Doubt.AMONG_MANY: "rises, but among so many keys one may by chance; more samples settle it",
}


def _too_short(found: Judgements, _row: int) -> str:
    facts = found.facts
    return f"{facts.samples} samples are too few, {facts.missing} more needed"


def _linear(found: Judgements, row: int) -> str:
    return (
        "rises in a straight line to the end; noise does so less than once in "
        f"{_odds(found.chance[row])} times"
    )


def _warm_up(found: Judgements, row: int) -> str:
    early = found.facts.early[row]
    return f"gained {early:,.0f} at the start of the watch and no more since"


def _filled(found: Judgements, row: int) -> str:
    facts = found.facts
    level = float(np.median(facts.values[row, -3:]))
    return f"stays at about {level:,.0f} for the last {facts.plateau[row] * facts.block} samples"


def _saturating(found: Judgements, row: int) -> str:
    share = min(1.0, max(0.0, float(found.facts.kept[row])))
    return f"rises at {share:.0%} of the speed it had at first"


def _step(found: Judgements, row: int) -> str:
    share = found.facts.step[row]
    if share > 0.8:
        return f"one step made {min(1.0, share):.0%} of the rise"
    return "one or two steps made the rise"


_REASONS: dict[Label, Callable[[Judgements, int], str]] = {
    Label.TOO_SHORT: _too_short,
    Label.LINEAR: _linear,
    Label.WARM_UP: _warm_up,
    Label.FILLED: _filled,
    Label.SATURATING: _saturating,
    Label.STEP: _step,
    Label.FLAT: lambda found, row: f"moved by no more than {found.facts.extent[row]:,.0f}",
    Label.SHRINKING: lambda found, row: f"fell by {-found.gain[row]:,.0f}",
    Label.SAWTOOTH: lambda _found, _row: "rises and falls back, again and again",
    Label.BACKLOG: lambda found, row: (
        f"piled up to {found.facts.values[row].max():,.0f} and was worked off"
    ),
    Label.NOISE: lambda _found, _row: "goes up and down without a steady rise",
}
