"""Which keys grow and go on growing, as opposed to having grown.

The procedure: x is work done, where work is counted. Keys that gained next to nothing are passed
over. Each of the others is judged once it has settled: a rise counts if it is straight to the end,
and straighter than noise would be, even noise that wanders. The more keys may seem to grow by
chance, the straighter it must be. Whatever is rejected keeps the name of what it looks like.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from leakscope.analysis.axis import Axis, axis_of
from leakscope.analysis.follow import (
    Followed,
    followed_containers,
    followed_process,
    followed_rss,
    followed_sizes,
    followed_types,
)
from leakscope.analysis.judgements import CODES, Doubt, Judgements
from leakscope.analysis.judging import judged
from leakscope.analysis.labels import SERIOUS_BY_CHANCE
from leakscope.analysis.ranks import false_discoveries_controlled
from leakscope.analysis.window import least_gains, missing_samples, warm_up_of
from leakscope.model.recording import Recording
from leakscope.model.trend import Label, Trend


@dataclass(frozen=True, slots=True)
class Judged:
    """One key with everything that was found out about its growth."""

    followed: Followed
    trend: Trend
    gain: float
    """What it gained after warm-up: objects, entries or bytes, little moved by noise."""
    serious: bool
    """Whether it is unconfirmed, but too clear a rise to call the recording clean; never of a
    key that was first seen after warm-up: it may be one of many that come and go."""

    @property
    def grows(self) -> bool:
        """Whether growth is confirmed."""
        return self.trend.label is Label.LINEAR


@dataclass(frozen=True, slots=True)
class Growth:
    """All keys of one recording, judged."""

    axis: Axis
    missing: int
    """How many more samples a verdict needs, 0 when there are enough."""
    types: tuple[Judged, ...]
    """By name."""
    containers: tuple[Judged, ...]
    """By address, then type."""
    rss: Judged | None
    process: tuple[Judged, ...] = ()
    """Threads and open files, as far as they were read at every census."""
    sizes: tuple[Judged, ...] = ()
    """Bytes of the types that gained many, by name."""


def trends(recording: Recording) -> tuple[Trend, ...]:
    """Return the trend of every type, every container that can be followed, and the process.

    Types come by name, then containers by address, then RSS, threads and files. Slopes are per unit
    of work where the recording counts work, else per second.
    """
    growth = judge(recording)
    rss = () if growth.rss is None else (growth.rss,)
    everything = (*growth.types, *growth.containers, *rss, *growth.process)
    return tuple(item.trend for item in everything)


def judge(recording: Recording) -> Growth:
    """Return every key of `recording` with its trend; pure and deterministic."""
    axis = axis_of(recording)
    types, containers = followed_types(recording), followed_containers(recording)
    rss = followed_rss(recording)
    results = judge_keys([*types, *containers], axis)
    return Growth(
        axis=axis,
        missing=missing_samples(len(axis.x)),
        types=tuple(results[: len(types)]),
        containers=tuple(results[len(types) :]),
        rss=None if rss is None else judge_keys([rss], axis)[0],
        process=tuple(judge_keys([key], axis)[0] for key in followed_process(recording)),
        sizes=tuple(judge_keys(followed_sizes(recording), axis)),
    )


def judge_keys(keys: Sequence[Followed], axis: Axis) -> list[Judged]:
    """Judge keys of any kinds together, in their order.

    The more of them move, the better the evidence each must bring.
    """
    if not keys:
        return []
    table = np.stack([key.values for key in keys])[:, axis.samples]
    found = judged(axis.x, table, least_gains(axis, [key.kind for key in keys]))
    control_false_discoveries(found)
    settled = int(axis.samples[min(warm_up_of(len(axis.x)), len(axis.samples) - 1)])
    return [_result(key, found, row, late=key.first > settled) for row, key in enumerate(keys)]


def control_false_discoveries(found: Judgements) -> None:
    """Withdraw the confirmations that so many moving keys would bring about by chance."""
    family = np.flatnonzero(found.moving)
    falls = ~false_discoveries_controlled(found.chance[family])
    withdrawn = family[falls & (found.codes[family] == CODES[Label.LINEAR])]
    found.codes[withdrawn] = CODES[Label.UNCONFIRMED]
    found.doubt[withdrawn] = Doubt.AMONG_MANY
    found.serious[withdrawn] = found.chance[withdrawn] <= SERIOUS_BY_CHANCE


def _result(key: Followed, found: Judgements, row: int, *, late: bool) -> Judged:
    trend = Trend(
        kind=key.kind,
        key=key.key,
        label=found.label(row),
        slope=found.slope(row),
        first=float(key.values[0]),
        last=float(key.values[-1]),
        reason=found.reason(row),
    )
    return Judged(
        followed=key,
        trend=trend,
        gain=float(found.gain[row]),
        serious=bool(found.serious[row]) and not late,
    )
