"""Counts what became of the requests of a round."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from leakscope.load.failures import NOT_SENT
from leakscope.load.interface import Served


@dataclass(slots=True)
class Tally:
    """What is known so far of a round of `asked` requests."""

    asked: int
    left: int = 0
    """Requests whose client left on purpose."""
    late: int = 0
    statuses: Counter[int] = field(default_factory=Counter)
    failures: Counter[str] = field(default_factory=Counter)
    timeouts_in_a_row: int = 0

    def answer(self, status: int) -> None:
        """Count an answer."""
        self.statuses[status] += 1
        self.timeouts_in_a_row = 0

    def leaving(self) -> None:
        """Count a client that left on purpose."""
        self.left += 1

    def failure(self, words: str, *, timed_out: bool = False) -> None:
        """Count a request without an answer."""
        self.failures[words] += 1
        self.timeouts_in_a_row = self.timeouts_in_a_row + 1 if timed_out else 0

    def served(self, seconds: float) -> Served:
        """Return the round's result; what was not settled by now was not sent."""
        landed = self.left + self.statuses.total()
        failures = self.failures.copy()
        unsent = self.asked - landed - failures.total()
        if unsent:
            failures[NOT_SENT] += unsent
        return Served(
            asked=self.asked,
            landed=landed,
            failures=tuple(sorted(failures.items(), key=lambda item: (-item[1], item[0]))),
            statuses=tuple(sorted(self.statuses.items())),
            seconds=seconds,
            late=self.late,
        )
