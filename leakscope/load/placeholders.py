"""What stands in the place of a placeholder, for one request."""

from __future__ import annotations

import random
import uuid
from dataclasses import dataclass, field


@dataclass(slots=True)
class Turn:
    """Which request it is: all that placeholders can depend on."""

    n: int
    round: int
    seed: int
    _random: random.Random | None = field(default=None, compare=False, repr=False)

    @property
    def random(self) -> random.Random:
        """The source of this request's random values; made when first asked for."""
        if self._random is None:
            self._random = random.Random(f"{self.seed}:{self.n}")
        return self._random


@dataclass(frozen=True, slots=True)
class Number:
    """`{n}`."""

    def value(self, turn: Turn) -> str:
        """Return the number of the request."""
        return str(turn.n)

    def __str__(self) -> str:
        return "{n}"


@dataclass(frozen=True, slots=True)
class RoundNumber:
    """`{round}`."""

    def value(self, turn: Turn) -> str:
        """Return the number of the round."""
        return str(turn.round)

    def __str__(self) -> str:
        return "{round}"


@dataclass(frozen=True, slots=True)
class Between:
    """`{rand:LOW-HIGH}`."""

    low: int
    high: int

    def value(self, turn: Turn) -> str:
        """Return a whole number from low to high."""
        return str(turn.random.randint(self.low, self.high))

    def __str__(self) -> str:
        return f"{{rand:{self.low}-{self.high}}}"


@dataclass(frozen=True, slots=True)
class Choice:
    """`{choice:a|b|c}`."""

    options: tuple[str, ...]

    def value(self, turn: Turn) -> str:
        """Return one of the options."""
        return turn.random.choice(self.options)

    def __str__(self) -> str:
        return f"{{choice:{'|'.join(self.options)}}}"


@dataclass(frozen=True, slots=True)
class RandomUuid:
    """`{uuid}`."""

    def value(self, turn: Turn) -> str:
        """Return a UUID that nobody else has."""
        return str(uuid.UUID(int=turn.random.getrandbits(128), version=4))

    def __str__(self) -> str:
        return "{uuid}"


Placeholder = Number | RoundNumber | Between | Choice | RandomUuid
