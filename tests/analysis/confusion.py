"""What the growth engine calls the series of each row: rows of labels, by how often."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

import numpy as np

from leakscope.analysis.axis import axis_of
from leakscope.analysis.judgements import LABELS
from leakscope.analysis.judging import judged
from leakscope.analysis.ranks import false_discoveries_controlled
from leakscope.analysis.window import least_gains
from leakscope.model.trend import KeyKind, Label
from tests.analysis.series import Noise, Row, draw
from tests.builders import recording_of

TUNING = range(20_000)
"""Seeds on which thresholds may be tuned."""

REPORTED = range(2_000_000, 2_020_000)
"""Seeds of the tables that are shown and of the bounds that must hold. Nothing is tuned on them."""

KINDS = {
    Noise.HOLDER: KeyKind.CONTAINER,
    Noise.OBJECTS: KeyKind.TYPE,
    Noise.MEMORY: KeyKind.RSS,
}


def labels_given(row: Row, noise: Noise, samples: int, seeds: Iterable[int]) -> Counter[Label]:
    """Return how often each label is given to series of `row`, each judged as the only key.

    There is one batch of series for each seed.
    """
    given: Counter[Label] = Counter()
    for seed in seeds:
        batch = draw(row, noise, seed, samples)
        axis = axis_of(recording_of(work=batch.work.tolist(), samples=samples))
        kinds = [KINDS[noise]] * len(batch.values)
        found = judged(batch.work, batch.values, least_gains(axis, kinds))
        for place, code in enumerate(found.codes):
            label = LABELS[code]
            if label is Label.LINEAR and not _stands_alone(float(found.chance[place])):
                label = Label.UNCONFIRMED
            given[label] += 1
    return given


def _stands_alone(chance: float) -> bool:
    return bool(false_discoveries_controlled(np.array([chance]))[0])
