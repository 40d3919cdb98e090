"""The types that gained most so far, judged as far as they can be: for whoever looks on.

Only those are judged, so that it costs next to nothing after a census of thousands of types. The
verdict at the end, which knows how many keys there are, asks more of a type.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from heapq import nsmallest

from leakscope.analysis.axis import axis_of
from leakscope.analysis.follow import followed_type
from leakscope.analysis.growth import Judged, judge_keys
from leakscope.analysis.window import missing_samples
from leakscope.model.recording import Recording
from leakscope.model.trend import Label


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


@dataclass(frozen=True, slots=True)
class SharedLeader:
    """A type that gained in several processes together, and in how many of them it rises."""

    type: str
    objects: int
    """In all of them, now."""
    gained: int
    """In all of them, each since its own first sample."""
    rising: int
    processes: int
    missing: int
    """How many more samples it takes to say in how many it rises."""
    series: tuple[float, ...]
    """In all of them at each of the last samples, as many as the youngest has."""


def shared_leaders(recordings: Sequence[Recording], most: int) -> tuple[SharedLeader, ...]:
    """Return the types that gained most in all processes together, ties by name.

    One that has too few samples yet rises in none, unless all have too few.
    """
    gained: Counter[str] = Counter()
    for recording in recordings:
        first, last = recording.censuses[0].types, recording.censuses[-1].types
        for name, total in last.items():
            gained[name] += total.objects - (first[name].objects if name in first else 0)
    grown = [name for name, gain in gained.items() if gain > 0]
    chosen = nsmallest(most, grown, key=lambda name: (-gained[name], name))
    axes = [axis_of(recording) for recording in recordings]
    missing = min((missing_samples(len(axis.x)) for axis in axes), default=0)
    rising: Counter[str] = Counter()
    for recording, axis in zip(recordings, axes, strict=True):
        if not missing_samples(len(axis.x)):
            for item in judge_keys([followed_type(recording, name) for name in chosen], axis):
                rising[item.trend.key] += item.trend.label in _RISING
    return tuple(
        SharedLeader(
            type=name,
            objects=sum(_objects(recording, -1, name) for recording in recordings),
            gained=gained[name],
            rising=rising[name],
            processes=len(recordings),
            missing=missing,
            series=_together(recordings, name),
        )
        for name in chosen
    )


_RISING = (Label.LINEAR, Label.UNCONFIRMED, Label.SATURATING)


def _together(recordings: Sequence[Recording], name: str) -> tuple[float, ...]:
    length = min(len(recording.censuses) for recording in recordings)
    return tuple(
        float(sum(_objects(recording, place, name) for recording in recordings))
        for place in range(-length, 0)
    )


def _objects(recording: Recording, place: int, name: str) -> int:
    total = recording.censuses[place].types.get(name)
    return 0 if total is None else total.objects
