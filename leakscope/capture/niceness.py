"""How nice to be: who watches lets the watched go first, and still has to come to an end."""

from __future__ import annotations

import math
import os

_NICEST = 19
_LESS = 1.25
"""The kernel gives a process a fifth less for every level that it is nicer."""
_LEAST_SHARE, _MOST_SHARE = 0.0142, 0.5
"""The least is what the nicest has beside one other. A crowd must not make it much slower."""


def niceness(share: float, others: float = 1.0) -> int:
    """Return how nice one may be and still have `share` of a processor that `others` compete for.

    From 19, as nice as can be, to 0 where that would be half of it or more.
    """
    share = min(max(share, _LEAST_SHARE), _MOST_SHARE)
    weight = others * share / (1 - share)
    return min(_NICEST, max(0, int(-math.log(weight, _LESS))))


def crowd() -> float:
    """Return how many compete for each processor of this machine, as of the last minute.

    Not less than one: a processor that is free now may be wanted in a moment.
    """
    try:
        running = os.getloadavg()[0]
    except OSError:
        return 1.0
    return max(1.0, running / (os.cpu_count() or 1))
