"""A census: objects and bytes per type, and the length of each large container, at one instant."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class TypeTotal:
    """All objects of one type that were alive at one instant."""

    objects: int
    bytes: int
    """Their own (flat) size, not what they refer to."""


@dataclass(frozen=True, slots=True)
class ContainerLength:
    """How many entries one container had at one instant."""

    address: int
    """Identifies it, with `type`, as long as the process lives: objects do not move."""
    type: str
    length: int


@dataclass(frozen=True, slots=True)
class ProcessMetrics:
    """What the operating system says of the target; None for what may not be read."""

    rss: int | None = None
    """Resident set size in bytes."""
    uss: int | None = None
    """Memory that is this process's alone, in bytes."""
    threads: int | None = None
    fds: int | None = None
    cpu_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Census:
    """What was alive in the target at one instant, in aggregate."""

    at: float
    """Seconds since the epoch."""
    work: float | None
    """Value of the work counter (requests served, say) at that instant, None without one."""
    types: Mapping[str, TypeTotal]
    """By qualified type name (`module.qualname`)."""
    containers: tuple[ContainerLength, ...]
    """The longest containers, longest first, ties by address."""
    metrics: ProcessMetrics
    pause_ms: float
    """How long the target was held up for this census."""
