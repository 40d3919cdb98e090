"""Budgets for growth, leaks that are known already, and what became of them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from enum import Enum

from leakscope.model.measurement import TypeTrend
from leakscope.model.trend import Interval

RSS = "rss"
"""The pattern that stands for the resident set size."""


class Measure(str, Enum):
    """What growth is counted in."""

    OBJECTS = "objects"
    BYTES = "bytes"


@dataclass(frozen=True, slots=True)
class Budget:
    """How fast what matches a pattern may grow."""

    pattern: str
    """Shell-style pattern for names of types and holders, `rss` for resident memory; the most
    specific match (the longest) counts."""
    rate: float
    """Objects or bytes per unit of work."""
    unit: str
    """`request`, `second`…; empty for whatever the recording measures."""
    measure: Measure = Measure.OBJECTS


@dataclass(frozen=True, slots=True)
class Breach:
    """Something that grew faster than its budget, or may have."""

    type: str
    """Name of a type; `rss` for resident memory."""
    budget: Budget
    slope: Interval
    """In the budget's measure and unit."""
    holder: str | None = None
    """Path of the container in which it accumulates, where that is known."""
    fingerprint: str | None = None
    """Of the finding, None if there is none."""
    note: str = ""
    """What else there is to say, one clause."""


@dataclass(frozen=True, slots=True)
class Missable:
    """The smallest leak of objects of one type that a run could have missed."""

    type: str
    """`*` where no type moved at all."""
    rate: float
    """Objects per unit of work: the upper bound of a growth that was let through, but at least one
    object in all the work that was measured."""


@dataclass(frozen=True, slots=True)
class KnownLeak:
    """A leak that is known and does not fail the build for now: an entry of a baseline."""

    fingerprint: str
    type: str
    holder: str | None
    rate: float
    """Objects per `unit` when it was last measured, bytes where no objects grow. One that
    has become much faster is new."""
    unit: str
    reason: str = ""
    """Why it may stay, for the next reader."""
    expires: date | None = None
    """The last day on which it may stay; None for ever."""


@dataclass(frozen=True, slots=True)
class CanaryResult:
    """What became of a leak that was planted to see whether it is found."""

    rate: float
    """Objects per unit of work that were planted."""
    slope: Interval
    """What was measured of them."""
    found: bool
    """Whether they were confirmed as a leak of that rate."""


@dataclass(frozen=True, slots=True)
class GateResult:
    """What the gate decided."""

    passed: bool
    breaches: tuple[Breach, ...]
    """Largest excess first, ties by type."""
    excluded: Missable | None = None
    """Of all types that have a meaning of their own, the one of which most could have been missed;
    None if none was counted."""
    excluded_plain: Missable | None = None
    """The same of the building blocks (`str`, `dict`…). Every program has many of them that come
    and go, so their bound is looser; what they leak with is mostly an object of the others."""
    unsettled: tuple[Breach, ...] = ()
    """What may have grown faster than its budget: it rose without being confirmed."""
    known: tuple[KnownLeak, ...] = ()
    """Entries of the baseline that let a leak pass, as it was measured now, by fingerprint."""
    fixed: tuple[KnownLeak, ...] = ()
    """Entries of the baseline whose leak is gone, by fingerprint."""
    found: tuple[KnownLeak, ...] = ()
    """What a new baseline would hold: what is known or exceeds a budget, by fingerprint."""
    canary: CanaryResult | None = None
    """None if none was planted."""
    trends: tuple[TypeTrend, ...] | None = None
    """Every type that moved, by name; those that were counted and are not here did not move at
    all. None if it was not measured to the end, or too short to tell."""
