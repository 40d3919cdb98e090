"""What every way of measuring a target offers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from leakscope.model.census import ContainerLength, TypeTotal
from leakscope.model.evidence import Evidence, Suspects
from leakscope.model.recording import CaptureKind

CONTAINERS = 4000
"""How many containers a census keeps, the longest."""
SHORTEST = 8
"""Entries below which a container is not worth following."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What a capture reads in the target for one census; time and work are the caller's."""

    types: dict[str, TypeTotal]
    containers: tuple[ContainerLength, ...]
    """The longest containers, longest first, ties by address."""
    pause_ms: float


@dataclass(frozen=True, slots=True)
class Planted:
    """Where objects are that were planted in the target."""

    type: str
    address: int
    """Of the container that holds them."""


class Capture(Protocol):
    """A connected way of measuring one target."""

    @property
    def kind(self) -> CaptureKind:
        """How it measures."""
        ...

    @property
    def caveats(self) -> tuple[str, ...]:
        """What readers of its figures must know, one sentence each."""
        ...

    def census(self) -> Reading:
        """Count what is alive now.

        Raises a `LeakscopeError` when the target is gone or does not answer in time.
        """
        ...

    def gather(self, suspects: Suspects) -> Evidence:
        """Find out who holds the suspects and what they keep alive.

        A suspect that is no longer there is left out. Bounded in time.
        """
        ...

    def trace_allocations(self, *, on: bool) -> None:
        """Start or stop recording where objects are allocated, if this capture can."""
        ...

    def sample_allocations(self, *, on: bool) -> None:
        """Start or stop sampling where objects are allocated, if this capture can.

        Raises what a request raises when the target is gone.
        """
        ...

    def close(self) -> None:
        """Detach; the target keeps nothing. Idempotent, never raises."""
        ...


class Planting(Protocol):
    """A capture that can make a target leak, to see whether it is found."""

    def plant(self, objects: int) -> Planted:
        """Have the target keep so many more objects that nobody needs; 0 lets go of them all."""
        ...
