"""Which layer of resident memory grows, per unit of work. Pure."""

from __future__ import annotations

from leakscope.model.memory import LayerGrowth, LayerKind, LayerReading
from leakscope.model.recording import Recording

_LEAST = 1 << 20
"""Bytes that a layer has to have grown by to be named as the one that grows."""


def layers_of(recording: Recording) -> LayerGrowth | None:
    """Return how each layer grew from the first reading to the last.

    None where there are not two, or no work was done between them.
    """
    if len(recording.layers) < 2:
        return None
    first, last = recording.layers[0], recording.layers[-1]
    amount = _amount(recording, first, last)
    if amount <= 0:
        return None
    return LayerGrowth(first, last, recording.work_unit, amount)


def leading_layer(growth: LayerGrowth) -> LayerKind | None:
    """Return the layer that grew most, None if none grew much."""
    kind = max(LayerKind, key=growth.gained)
    return kind if growth.gained(kind) >= _LEAST else None


def _amount(recording: Recording, first: LayerReading, last: LayerReading) -> float:
    """Return the work between two readings, or the seconds where work is not counted."""
    if not recording.counts_work:
        return last.at - first.at
    if first.work is None or last.work is None:
        return 0.0
    return last.work - first.work
