"""Where a process's memory went: its resident bytes, layer by layer."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


@dataclass(frozen=True, slots=True)
class MallocFigures:
    """What the C library's allocator (glibc) says of itself, in bytes."""

    arenas: int
    """Had from the system, in use and free."""
    mapped: int
    """Had from the system in regions of their own, one for each large block."""
    used: int
    """Of the arenas: in use."""
    free: int
    """Of the arenas: free."""


@dataclass(frozen=True, slots=True)
class MappedRegion:
    """One mapping of a process, and how much of it is in memory."""

    start: int
    end: int
    """First address behind it."""
    permissions: str
    """Four letters, for example `rw-p`."""
    name: str
    """The file, `[heap]`, `[stack]`…; empty for anonymous memory."""
    resident: int
    """Bytes."""


class LayerKind(Enum):
    """What memory is used for."""

    OBJECTS = "live objects"
    GARBAGE = "uncollected garbage"
    PYTHON_FREE = "free in Python's allocator"
    NATIVE = "native memory in use"
    MALLOC_FREE = "free in malloc"
    STACKS = "thread stacks"
    FILES = "mapped files"
    SHARED = "shared memory"
    OTHER = "other mappings"


@dataclass(frozen=True, slots=True)
class Layer:
    """One layer of a ledger."""

    kind: LayerKind
    bytes: int
    """Resident; never negative."""


@dataclass(frozen=True, slots=True)
class Ledger:
    """The resident memory of a process at one instant."""

    resident: int
    """Bytes, as the kernel counts them at that instant."""
    layers: tuple[Layer, ...]
    """One of each kind, in the order of `LayerKind`."""
    remainder: int
    """What the layers do not tell; below 0 if they tell more than there is."""
    objects: int
    """How many are alive."""
    garbage: int
    """How many only wait for the collector."""
    threads: int
    allocator: str
    """Of native memory: `malloc` (the C library's), `jemalloc`…"""
    tells_free: bool
    """Whether it is known what of native memory is free; else that counts as in use."""
    swapped: int
    """Bytes that are in swap, and so in no layer."""
    pause_ms: float

    def of(self, kind: LayerKind) -> int:
        """Return the bytes of a layer."""
        return next(layer.bytes for layer in self.layers if layer.kind is kind)


@dataclass(frozen=True, slots=True)
class LayerReading:
    """A ledger, and when it was taken."""

    at: float
    """Seconds since the epoch."""
    work: float | None
    """Value of the work counter then, None without one."""
    ledger: Ledger


@dataclass(frozen=True, slots=True)
class LayerGrowth:
    """What became of each layer from one reading to a later one."""

    first: LayerReading
    last: LayerReading
    unit: str
    """Of work, or `second`."""
    amount: float
    """Work between both; above 0."""

    def gained(self, kind: LayerKind) -> int:
        """Return by how many bytes a layer grew."""
        return self.last.ledger.of(kind) - self.first.ledger.of(kind)

    def rate(self, kind: LayerKind) -> float:
        """Return by how many bytes a layer grew per unit of work."""
        return self.gained(kind) / self.amount

    @property
    def resident_rate(self) -> float:
        """By how many bytes resident memory grew per unit of work."""
        return (self.last.ledger.resident - self.first.ledger.resident) / self.amount
