"""How nice to be: who watches lets the watched go first, and still has to come to an end."""

from __future__ import annotations

import math
import os

from leakscope.capture.systems import System

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


def crowd(system: System) -> float:
    """Return how many compete for each processor of this machine: now, or in the last minute.

    Whichever is more, and not less than one: a processor that is free now may be wanted in a
    moment.
    """
    others = max(_lately(), system.running() - 1)
    return max(1.0, others / (os.cpu_count() or 1))


def _lately() -> float:
    try:
        return os.getloadavg()[0]
    except OSError:
        return 0.0
