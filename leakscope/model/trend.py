"""How one key (a type, a holder, RSS, threads…) grows along a recording."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class KeyKind(str, Enum):
    """What kind of thing a trend is about, and so what it is counted in."""

    TYPE = "type"
    """Live objects of a type."""
    SIZE = "size"
    """Bytes of all objects of a type."""
    CONTAINER = "container"
    """Entries of a container."""
    RSS = "rss"
    """Bytes of resident memory."""
    SITE = "site"
    """Bytes in use that were allocated at one place."""
    LAYER = "layer"
    """Bytes of a part of the memory: live objects, garbage, allocator slack…"""
    TASKS = "tasks"
    """Tasks that wait at one place."""
    THREADS = "threads"
    FDS = "fds"
    """Open file descriptors."""


class Label(str, Enum):
    """What a series looks like. Only `LINEAR` is a leak."""

    LINEAR = "linear"
    """Grows in a straight line to the end, straighter than noise would."""
    UNCONFIRMED = "unconfirmed"
    """Looks like growth; the samples neither confirm nor refute it."""
    TOO_SHORT = "too-short"
    """Too few samples for any verdict."""
    FLAT = "flat"
    WARM_UP = "warm-up"
    """Grew at the start only."""
    FILLED = "filled"
    """Grew, then reached a ceiling and stayed there."""
    SATURATING = "saturating"
    """Grows ever more slowly."""
    STEP = "step"
    SAWTOOTH = "sawtooth"
    BACKLOG = "backlog"
    """Piled up and was worked off."""
    NOISE = "noise"
    SHRINKING = "shrinking"


@dataclass(frozen=True, slots=True)
class Interval:
    """An estimate with the 95 % interval around it."""

    estimate: float
    low: float
    high: float

    def scaled(self, factor: float) -> Interval:
        """Return it in another unit, of which `factor` make one of this; `factor` >= 0."""
        return Interval(self.estimate * factor, self.low * factor, self.high * factor)


@dataclass(frozen=True, slots=True)
class Trend:
    """How one key grows."""

    kind: KeyKind
    key: str
    """A type's name, `0x…` for a container's address; `rss`, `threads`, `fds`."""
    label: Label
    slope: Interval
    """Per unit of work (or second), in objects, entries or bytes; zeros when not estimated."""
    first: float
    last: float
    reason: str
    """One clause that says why the label was given."""
