"""Which requests of a round go wrong on purpose, so that the server's other paths run too."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Fault(Enum):
    """What the client does instead of asking and reading on."""

    DISCONNECT = "disconnect"
    """Sends the whole request and leaves before the answer is read."""
    SLOW = "slow"
    """Reads the answer at a few KB/s for a while, then the rest."""
    HALF = "half"
    """Leaves in the middle of its own request."""


@dataclass(frozen=True, slots=True)
class Shares:
    """What part of the requests goes wrong in which way; each from 0 to 1, together at most 1."""

    disconnect: float = 0.0
    slow: float = 0.0
    half: float = 0.0


def spread(count: int, shares: Shares) -> tuple[Fault | None, ...]:
    """Return what each of `count` requests does: a fault, or None for an ordinary one.

    Each fault is there `round(count * share)` times, evenly spread (0.1 is every tenth); the same
    arguments give the same answer. Faults that would overfill the round by rounding are cut.
    """
    wanted: dict[Fault | None, int] = {None: count}
    for fault in Fault:
        number = min(round(count * getattr(shares, fault.value)), wanted[None])
        wanted[fault] = number
        wanted[None] -= number
    return _interleaved(count, wanted)


def _interleaved(count: int, wanted: dict[Fault | None, int]) -> tuple[Fault | None, ...]:
    """Return each key as often as wanted, evenly: smooth weighted round-robin, as in nginx.

    Each step every key earns its weight, and the richest is taken and pays the sum of all weights;
    after that many steps each key was taken as often as it weighs. Ties go to the first key.
    """
    credit = dict.fromkeys(wanted, 0)
    chosen: list[Fault | None] = []
    for _ in range(count):
        for key, weight in wanted.items():
            credit[key] += weight
        richest = max(credit, key=lambda key: credit[key])
        credit[richest] -= count
        chosen.append(richest)
    return tuple(chosen)
