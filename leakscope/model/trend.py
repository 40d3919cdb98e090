"""How one key (a type, a holder, RSS) grows along a recording."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class KeyKind(str, Enum):
    """What kind of thing a trend is about."""

    TYPE = "type"
    CONTAINER = "container"
    RSS = "rss"


class Label(str, Enum):
    """What a series looks like. Only `LINEAR` is a leak."""

    LINEAR = "linear"
    """Grows steadily, and went on growing on fresh samples."""
    UNCONFIRMED = "unconfirmed"
    """Looked like growth; the fresh samples neither confirm nor refute it."""
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
    NOISE = "noise"
    SHRINKING = "shrinking"


@dataclass(frozen=True, slots=True)
class Interval:
    """An estimate with the 95 % interval around it."""

    estimate: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Trend:
    """How one key grows."""

    kind: KeyKind
    key: str
    """A type's name, `0x…` for a container's address, `rss`."""
    label: Label
    slope: Interval
    """Per unit of work (or second), in objects, entries or bytes; zeros when not estimated."""
    first: float
    last: float
    reason: str
    """One clause that says why the label was given."""
