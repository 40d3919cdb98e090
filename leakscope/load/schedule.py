"""The requests of one round: which, when, and what goes wrong with them. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from leakscope.load.faults import Fault, Shares, spread
from leakscope.load.rates import due_at


@dataclass(frozen=True, slots=True)
class Job:
    """One request of a round."""

    index: int
    """From 0 on within the round."""
    template: int
    """Which of the different requests."""
    due: float
    """Seconds after the start of the round."""
    fault: Fault | None
    turn: int
    """How many with the same fault came before it in the round."""


def round_of(count: int, templates: int, *, shares: Shares, rate: float | None) -> Sequence[Job]:
    """Return the jobs of a round in the order they go out; every round has the same.

    The different requests take turns, each as often as the others (give or take one). Those with
    one fault take turns among themselves: were they counted together, every tenth request would
    always be the same one of two, or of five.
    """
    return tuple(_jobs(spread(count, shares), templates, rate))


def _jobs(faults: Sequence[Fault | None], templates: int, rate: float | None) -> Iterator[Job]:
    before: Counter[Fault | None] = Counter()
    for index, fault in enumerate(faults):
        turn = before[fault]
        before[fault] += 1
        yield Job(index, turn % templates, due_at(index, rate), fault, turn)
