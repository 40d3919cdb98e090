"""How the built-in client loads a server."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import Path

from leakscope.errors import UsageError
from leakscope.load.faults import Shares

USUAL_REQUESTS = 300


class BadPlan(UsageError):
    """The settings of the built-in client make no sense, alone or together."""


@dataclass(frozen=True, slots=True)
class ClientPlan:
    """What the built-in client does.

    Making one raises `BadPlan` for what makes no sense, whatever is asked.
    """

    urls: tuple[str, ...] = ()
    """Asked with GET, after the requests of the file."""
    requests: Path | None = None
    """A file of requests."""
    requests_per_round: int | None = None
    """None: 300, or one for each different request if those are more."""
    rate: float | None = None
    """Requests per second; None for as many as the server answers."""
    concurrency: int = 10
    """Connections at a time."""
    shares: Shares = field(default_factory=Shares)
    """What goes wrong on purpose."""
    seed: int = 0
    insecure: bool = False
    """Whether any certificate of the server will do."""
    timeout: float = 30.0
    """Seconds that one request may take from the opening of its connection to its last byte."""

    def __post_init__(self) -> None:
        if self.concurrency < 1 or (
            self.requests_per_round is not None and self.requests_per_round < 1
        ):
            raise BadPlan("without connections and requests there is no load")
        for name, value in (("rate", self.rate), ("time for a request", self.timeout)):
            if value is not None and not 0 < value < math.inf:
                raise BadPlan(f"{name}: {value:g} is no number above 0")
        each = (self.shares.disconnect, self.shares.slow, self.shares.half)
        if not all(0 <= share <= 1 for share in each) or sum(each) > 1 + 1e-9:
            raise BadPlan(
                "the shares of requests that go wrong are more than all of them",
                hint="Each is from 0 to 1, and together they are at most 1.",
            )

    @property
    def asks(self) -> bool:
        """Whether it says what to ask, without which the client is not wanted."""
        return bool(self.urls) or self.requests is not None

    def round_size(self, different: int) -> int:
        """Return how many requests a round has when there are so many different ones.

        Raises `BadPlan` if the round is too short for each of them to be sent, or if there are
        none.
        """
        if not different:
            raise BadPlan("nothing to ask", hint="Give --url or --requests.")
        if self.requests_per_round is None:
            return max(USUAL_REQUESTS, different)
        if self.requests_per_round < different:
            raise BadPlan(
                f"{self.requests_per_round} requests per round are too few for {different} "
                "different ones",
                hint=f"Give --requests-per-round {different} or more.",
            )
        return self.requests_per_round
