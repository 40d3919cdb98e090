"""Which keys grow and go on growing, as opposed to having grown.

The procedure: drop the warm-up; pass over what gained next to nothing; screen what is left for a
rise that is there from beginning to end; then confirm it on the later samples, which the screen
has not seen. Whatever is rejected on the way keeps the name of what it looks like instead.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from leakscope.analysis.axis import Axis, axis_of
from leakscope.analysis.follow import (
    Followed,
    followed_containers,
    followed_rss,
    followed_types,
)
from leakscope.analysis.labels import Judgement, judged
from leakscope.analysis.ranks import false_discoveries_controlled
from leakscope.analysis.window import Window, missing_samples, warm_up_of
from leakscope.model.recording import Recording
from leakscope.model.trend import Label, Trend

_BY_CHANCE = "rises, but among so many keys one may by chance; more samples settle it"


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


def trends(recording: Recording) -> tuple[Trend, ...]:
    """Return the trend of every type, every container that can be followed, and RSS.

    Types come by name, then containers by address, then RSS. Slopes are per unit of work where
    the recording counts work, else per second.
    """
    growth = judge(recording)
    rss = () if growth.rss is None else (growth.rss,)
    return tuple(item.trend for item in (*growth.types, *growth.containers, *rss))


def judge(recording: Recording) -> Growth:
    """Return every key of `recording` with its trend; pure and deterministic."""
    axis = axis_of(recording)
    types, containers = followed_types(recording), followed_containers(recording)
    rss = followed_rss(recording)
    results = _judge_all([*types, *containers], axis)
    return Growth(
        axis=axis,
        missing=missing_samples(len(axis.x)),
        types=tuple(results[: len(types)]),
        containers=tuple(results[len(types) :]),
        rss=None if rss is None else _judge_all([rss], axis)[0],
    )


def _judge_all(keys: list[Followed], axis: Axis) -> list[Judged]:
    """Judge keys together: the more of them grow, the better the evidence each must bring."""
    if not keys:
        return []
    window = Window(axis, warm_up_of(len(axis.x)))
    table = np.stack([key.values for key in keys])[:, axis.samples]
    judgements = judged(window, table, [key.kind for key in keys])
    _control_false_discoveries(judgements)
    begin = axis.samples[min(window.start, len(axis.samples) - 1)]
    return [
        _result(key, judgement, late=key.first > begin)
        for key, judgement in zip(keys, judgements, strict=True)
    ]


def _control_false_discoveries(judgements: list[Judgement]) -> None:
    """Withdraw the confirmations that so many screened keys would bring about by chance."""
    screened = [i for i, item in enumerate(judgements) if item.p is not None]
    kept = false_discoveries_controlled(np.array([judgements[i].p for i in screened], dtype=float))
    for i, stands in zip(screened, kept, strict=True):
        if not stands and judgements[i].label is Label.LINEAR:
            judgements[i] = replace(judgements[i], label=Label.UNCONFIRMED, reason=_BY_CHANCE)


def _result(key: Followed, judgement: Judgement, *, late: bool) -> Judged:
    trend = Trend(
        kind=key.kind,
        key=key.key,
        label=judgement.label,
        slope=judgement.slope,
        first=float(key.values[0]),
        last=float(key.values[-1]),
        reason=judgement.reason,
    )
    return Judged(
        followed=key,
        trend=trend,
        gain=judgement.gain,
        serious=judgement.serious and judgement.label is Label.UNCONFIRMED and not late,
    )
