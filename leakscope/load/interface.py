"""What every way of driving a server offers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from leakscope.errors import LeakscopeError


class LoadFailed(LeakscopeError):
    """The load ended with an error, so the work it should have done is in doubt."""

    hint = "Run the load by itself against the server and mend it."


@dataclass(frozen=True, slots=True)
class Served:
    """What became of one round of load."""

    asked: int | None = None
    """Requests the round consists of; None where the load cannot tell. Where both are known, it is
    `landed` and the counts of `failures` together."""
    landed: int | None = None
    """Those that the server answered, whatever it said, and those whose client left on purpose."""
    failures: tuple[tuple[str, int], ...] = ()
    """What became of the others, in plain words without text of the server; most frequent first,
    ties by the words."""
    statuses: tuple[tuple[int, int], ...] = ()
    """Answers by status, ascending."""
    seconds: float = 0.0
    """From the start until all was settled."""
    late: int = 0
    """Requests that a rate was given for and that went out well after they were due."""


class Load(Protocol):
    """Drives a server."""

    @property
    def unit(self) -> str:
        """What it counts, singular."""
        ...

    def run_round(self, number: int) -> Served:
        """Do one round of work, the same as in every round, and return when it is done.

        Raises `LoadFailed`.
        """
        ...

    def stop(self) -> None:
        """End the round that runs, and those that follow at once. For any thread, any time."""
        ...
