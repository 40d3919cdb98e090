"""When each request of a round is due."""

from __future__ import annotations

LATE_S = 0.1
"""A request is called late when it goes out so many seconds after it was due."""


def due_at(index: int, rate: float | None) -> float:
    """Return seconds from the start of the round until request `index`, counted from 0, is due.

    With a rate (requests per second) the requests are evenly spaced, whatever the answers take: an
    open loop. Without one each is due at once, and the number of connections is the only brake.
    """
    return 0.0 if rate is None else index / rate


def is_late(due: float, sent: float, rate: float | None) -> bool:
    """Return whether a request that was due at `due` went out late at `sent`, both in seconds.

    Without a rate nothing is late.
    """
    return rate is not None and sent - due > LATE_S
