"""Where memory was allocated: samples of the blocks that are alive, and what they stand for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from leakscope.model.evidence import Site
from leakscope.model.trend import Interval

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

LARGE_BYTES = 32 * 1024
LARGE_RARER = 8
"""Blocks from `LARGE_BYTES` on are sampled so many times more rarely than others."""


@dataclass(frozen=True, slots=True)
class SampledStack:
    """A Python stack under which blocks were sampled, and all that was allocated there since."""

    calls: tuple[Site, ...]
    """Innermost first. Empty for what no Python code asked for, or of which it is not known."""
    cut: bool
    """Whether there were more calls outside of these."""
    objects: float
    """Allocations there, estimated, those that were freed again too."""
    bytes: float
    variance: float
    """Of `bytes`, estimated."""


@dataclass(frozen=True, slots=True)
class Samples:
    """The samples of a process that were alive at one instant."""

    mean_bytes: int
    """Bytes allocated per sample, on average; of large blocks `LARGE_RARER` times as many."""
    seconds: float
    """Since sampling began."""
    stacks: tuple[SampledStack, ...]
    address: NDArray[np.uint64]
    """Of each sampled block."""
    size: NDArray[np.uint64]
    """Its bytes, as they were asked for."""
    stack: NDArray[np.uint32]
    """Its place in `stacks`."""
    taken: int
    """Samples since sampling began, those of freed blocks too."""
    lost: int
    """Samples that were not kept for want of room."""
    unplaced: int
    """Samples that were kept without their stack for want of room."""
    displaced: bool
    """Whether somebody changed the interpreter's allocators meanwhile: the samples are of the time
    until then, and what was freed later may still be among them."""


@dataclass(frozen=True, slots=True)
class TypeShare:
    """What one type has of the blocks in use that one place allocated, estimated."""

    type: str
    """Empty for blocks that are no objects: the storage of lists, dicts and buffers."""
    objects: float
    bytes: float


@dataclass(frozen=True, slots=True)
class AllocationSite:
    """One place that allocates: the samples that share a stack, and what they stand for."""

    calls: tuple[Site, ...]
    """Innermost first."""
    cut: bool
    in_use_bytes: Interval
    in_use_objects: float
    allocated_bytes: Interval
    allocated_objects: float
    samples: int
    """Those that are alive."""
    types: tuple[TypeShare, ...] = ()
    """Most bytes first, then by name; empty where it was not looked at."""


@dataclass(frozen=True, slots=True)
class AllocationProfile:
    """All places that allocated while a process was sampled."""

    pid: int
    seconds: float
    """How long."""
    taken_at: float
    """When it ended, seconds since the epoch."""
    mean_bytes: int
    sites: tuple[AllocationSite, ...]
    """Most bytes in use first, then by place."""
    in_use_bytes: Interval
    allocated_bytes: Interval
    samples: int
    """Those that are alive."""
    taken: int
    """All, those of freed blocks too."""
    caveats: tuple[str, ...]
    """What readers must know, one sentence each."""


@dataclass(frozen=True, slots=True)
class ProfiledPlace:
    """What one place has in use, as a profile in a file tells it."""

    calls: tuple[Site, ...]
    """Innermost first."""
    bytes: int
    objects: int
    """0 where the profile does not count them."""


@dataclass(frozen=True, slots=True)
class HeapProfile:
    """What was in use when a profile was written."""

    taken_at: float
    """Seconds since the epoch."""
    mean_bytes: int
    """Bytes allocated per sample, on average; 0 where it is not said."""
    places: tuple[ProfiledPlace, ...]


@dataclass(frozen=True, slots=True)
class PlaceGrowth:
    """How much more one place has in use in a later profile."""

    calls: tuple[Site, ...]
    bytes_before: int
    bytes_after: int
    growth: Interval
    """In bytes; bounds that hold the true growth in 95 % of all cases."""
