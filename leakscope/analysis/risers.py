"""What rose at every sample, however little: where counts are exact, that is no noise."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np

from leakscope.analysis.axis import axis_of
from leakscope.analysis.budgets import Budgets
from leakscope.analysis.growth import trends
from leakscope.analysis.window import warm_up_of
from leakscope.model.finding import Diagnosis
from leakscope.model.gate import Budget, Measure
from leakscope.model.recording import Recording
from leakscope.model.trend import KeyKind, Label

_SLOWING = (Label.SATURATING, Label.FILLED, Label.STEP, Label.WARM_UP)


@dataclass(frozen=True, slots=True)
class Riser:
    """A type that gained objects at every sample after warm-up."""

    type: str
    gained: int
    rate: float
    """Objects per unit of work."""


def risers(
    recording: Recording,
    diagnosis: Diagnosis,
    budgets: tuple[Budget, ...],
    *,
    told: Collection[str] = (),
) -> tuple[Riser, ...]:
    """Return the types, but those `told`, that rose at every sample, faster than their budget.

    Of a recording at rest, where a census counts what is alive and nothing else, they show that the
    work leaves something behind, though less than a verdict takes. What is seen to slow down is
    left out. Fastest first, ties by name.
    """
    axis = axis_of(recording)
    start = warm_up_of(len(axis.x))
    span = float(axis.x[-1] - axis.x[min(start, len(axis.x) - 1)])
    if not recording.at_rest or span <= 0:
        return ()
    held = Budgets(diagnosis, budgets)
    censuses = [recording.censuses[index] for index in axis.samples[start:]]
    found = []
    for trend in trends(recording):
        if trend.kind is not KeyKind.TYPE or trend.key in told or trend.label in _SLOWING:
            continue
        totals = [census.types.get(trend.key) for census in censuses]
        counts = [0 if total is None else total.objects for total in totals]
        budget = held.best(trend.key)
        allowed = budget.rate if budget.measure is Measure.OBJECTS else np.inf
        rate = (counts[-1] - counts[0]) / span
        if bool((np.diff(counts) > 0).all()) and rate > allowed:
            found.append(Riser(trend.key, counts[-1] - counts[0], rate))
    return tuple(sorted(found, key=lambda riser: (-riser.rate, riser.type)))
