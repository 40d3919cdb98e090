"""From series to their labels: a leak, or what else they look like."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from leakscope.analysis.chance import Floats
from leakscope.analysis.judgements import CODES, Doubt, Facts, Judgements
from leakscope.analysis.labels import Later, names_of
from leakscope.analysis.ranks import Slopes, robust_slopes
from leakscope.analysis.straight import straight_rises
from leakscope.analysis.window import (
    FEWEST_SAMPLES,
    Window,
    block_of,
    in_blocks,
    missing_samples,
    window_over,
)
from leakscope.model.trend import Label

_GROWING = (Label.LINEAR, Label.UNCONFIRMED, Label.SATURATING)


def judged(x: Floats, table: Floats, floors: Floats) -> Judgements:
    """Return the judgement of each row of `table`, the values at `x`; each as if it were alone.

    `table` has shape (K, n), K >= 1; `x` increases. Rows that gained less than their floor have not
    grown to speak of. A series that rises in a straight line to the end is linear; `labels` names
    the others.
    """
    samples = len(x)
    warm_up = min(window_over(x).start, samples - 1)
    early = table[:, warm_up] - table[:, 0]
    window = window_over(in_blocks(x))
    found = _unmoved(window, in_blocks(table), early, samples)
    if missing_samples(samples):
        found.codes[:] = CODES[Label.TOO_SHORT]
        return found
    found.codes[:] = np.where(early >= floors, CODES[Label.WARM_UP], CODES[Label.FLAT])
    found.moving[:] = np.ptp(found.facts.values[:, 1:], axis=1) >= floors
    rows = np.flatnonzero(found.moving)
    if rows.size:
        starts = _judge(found, window, rows, floors[rows])
        _refine_slopes(found, window.x, rows, starts)
    return found


def _unmoved(window: Window, table: Floats, early: Floats, samples: int) -> Judgements:
    """Return judgements of series that hardly move: slopes are bounded by how far they do."""
    count, blocks = table.shape
    enough = blocks - window.start >= FEWEST_SAMPLES
    later = table[:, window.start :] if enough else table
    extent = np.ptp(later, axis=1)
    bound = extent / window.span if enough else np.zeros(count)
    return Judgements(
        codes=np.zeros(count, dtype=np.int8),
        slopes=Slopes(np.zeros(count), -bound, bound),
        gain=later[:, -1] - later[:, 0],
        chance=np.ones(count),
        moving=np.zeros(count, dtype=bool),
        doubt=np.zeros(count, dtype=np.int8),
        serious=np.zeros(count, dtype=bool),
        facts=Facts(
            early=early,
            extent=extent,
            values=table,
            plateau=np.zeros(count, dtype=np.intp),
            step=np.zeros(count),
            kept=np.ones(count),
            samples=samples,
            block=block_of(samples),
            missing=missing_samples(samples),
        ),
    )


def _judge(
    found: Judgements, window: Window, rows: NDArray[np.intp], floors: Floats
) -> NDArray[np.intp]:
    """Write down what `rows` are, which moved; return the first sample that counts for each."""
    facts, y = found.facts, found.facts.values[rows]
    straight = straight_rises(window.x, y)
    later = Later.of(window, y, floors, facts.early[rows])
    names = names_of(window.x, y, later, straight)
    linear = straight.rises(floors) & ~straight.bent
    found.codes[rows] = np.where(linear, CODES[Label.LINEAR], names.codes)
    found.doubt[rows] = np.where(linear, Doubt.NONE, names.doubt)
    found.serious[rows] = names.serious & ~linear
    found.chance[rows] = straight.chance
    found.gain[rows] = np.where(linear, straight.gain, later.gain)
    facts.plateau[rows] = later.plateau
    facts.step[rows] = later.step
    facts.kept[rows] = np.minimum(straight.kept, later.kept)
    moved = later.extent >= floors
    found.slopes.put(rows[moved], later.slopes().of(moved))
    return straight.start


def _refine_slopes(
    found: Judgements, x: Floats, rows: NDArray[np.intp], starts: NDArray[np.intp]
) -> None:
    """Give keys that grow or may grow robust slopes, and keys that filled those since then."""
    codes, plateau = found.codes[rows], found.facts.plateau[rows]
    places = np.where(np.isin(codes, [CODES[label] for label in _GROWING]), starts, -1)
    filled = (codes == CODES[Label.FILLED]) & (plateau >= 3)
    places[filled] = len(x) - plateau[filled]
    for start in np.unique(places[places >= 0]):
        here = rows[places == start]
        found.slopes.put(here, robust_slopes(x[start:], found.facts.values[here, start:]))
