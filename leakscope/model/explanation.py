"""Why objects are alive: how they are held, and what they keep alive, in one heap."""

from __future__ import annotations

from dataclasses import dataclass

from leakscope.model.evidence import Step
from leakscope.model.unheld import UnheldType

EXPLAINS = 0.8
"""The part of a whole from which on one object explains it."""


@dataclass(frozen=True, slots=True)
class TypeShare:
    """Objects of one type that belong to something."""

    type: str
    objects: int
    bytes: int


@dataclass(frozen=True, slots=True)
class Way:
    """One of the ways in which objects of a type are held."""

    objects: int
    """How many of those that were looked at are held so."""
    chain: tuple[Step, ...]
    """From a root to one of them."""


@dataclass(frozen=True, slots=True)
class Referrer:
    """Something that refers to an object and would be alive without it."""

    edge: str
    """What the reference is called."""
    type: str
    address: int
    path: str
    """How the referrer itself is reached: `shop.audit.PENDING`; empty if no root leads to it."""


@dataclass(frozen=True, slots=True)
class ObjectFacts:
    """One object."""

    address: int
    type: str
    bytes: int
    """Its own size."""
    refcount: int | None
    """None for an object that is never freed, whose count says nothing."""
    retained_bytes: int
    """What would be freed if it went away, itself included; 0 for garbage."""
    retained_objects: int
    is_garbage: bool
    """Whether nothing holds it and the collector has not got to it yet."""
    chain: tuple[Step, ...]
    """From a root to it; empty for garbage."""
    referrers: tuple[Referrer, ...]
    """What else holds it than the chain says, by address; the first few."""
    more_referrers: int
    """How many there are besides."""
    keeps: tuple[TypeShare, ...]
    """What it dominates, itself not included: most bytes first, ties by name."""


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why the objects of one type are alive."""

    type: str
    objects: int
    bytes: int
    """Their own sizes."""
    garbage: int
    """Objects of them that only wait for the collector."""
    retained_bytes: int
    """What would be freed if all of them went away, themselves included."""
    looked_at: int
    """Live objects whose chains were compared."""
    ways: tuple[Way, ...]
    """Most objects first."""
    example: ObjectFacts | None
    """One that is held in the first way; garbage if there is nothing else."""


@dataclass(frozen=True, slots=True)
class HeapSummary:
    """The size of one heap."""

    objects: int
    bytes: int
    references: int
    garbage_objects: int
    """Cyclic garbage that the collector has not got to yet; part of the above."""
    garbage_bytes: int
    types: int
    pause_ms: float


@dataclass(frozen=True, slots=True)
class TopType:
    """One type of a heap."""

    type: str
    objects: int
    bytes: int
    retained_bytes: int
    """What would be freed if all its live objects went away."""
    garbage_objects: int
    garbage_bytes: int


@dataclass(frozen=True, slots=True)
class TopObject:
    """An object that keeps much alive, or a container."""

    address: int
    type: str
    bytes: int
    retained_bytes: int
    retained_objects: int
    entries: int | None
    """Of a container, how many it has, where that is known."""
    path: str
    """How it is reached; empty when no root leads to it."""


@dataclass(frozen=True, slots=True)
class HeapTop:
    """What there is most of in a heap."""

    summary: HeapSummary
    types: tuple[TopType, ...] = ()
    objects: tuple[TopObject, ...] = ()
    unheld: tuple[UnheldType, ...] = ()
