"""The types that gained most so far, judged as far as they can be: for whoever looks on.

Only those are judged, so that it costs next to nothing after a census of thousands of types. The
verdict at the end, which knows how many keys there are, asks more of a type.
"""

from __future__ import annotations

from dataclasses import dataclass
from heapq import nsmallest

from leakscope.analysis.axis import axis_of
from leakscope.analysis.follow import followed_type
from leakscope.analysis.growth import Judged, judge_keys
from leakscope.analysis.window import missing_samples
from leakscope.model.recording import Recording


@dataclass(frozen=True, slots=True)
class Leaders:
    """The types that gained most so far."""

    missing: int
    """How many more samples it takes to say anything of them."""
    types: tuple[Judged, ...]
    """Those that gained most first, ties by name."""


def leading_types(recording: Recording, most: int) -> Leaders:
    """Return the types that have more objects than at first, at most `most` of them."""
    first, last = recording.censuses[0].types, recording.censuses[-1].types
    before = {name: total.objects for name, total in first.items()}
    gained = {name: total.objects - before.get(name, 0) for name, total in last.items()}
    grown = [name for name, gain in gained.items() if gain > 0]
    chosen = nsmallest(most, grown, key=lambda name: (-gained[name], name))
    axis = axis_of(recording)
    return Leaders(
        missing=missing_samples(len(axis.x)),
        types=tuple(judge_keys([followed_type(recording, name) for name in chosen], axis)),
    )
