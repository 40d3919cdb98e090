"""One heap with all that explains it once the process has gone: the graph, its roots, its names."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from leakscope.model.census import ContainerLength
from leakscope.model.evidence import Site
from leakscope.model.heap import HeapSnapshot
from leakscope.model.roots import HeapRoots

FieldKey = tuple[str, str, int, int]
"""A field of a class: the type of the object that this one is only a part of (empty if it is not),
the type, how many references such an object has, and which of them it is, from 0."""


@dataclass(frozen=True, slots=True)
class KeptNames:
    """What was asked of a frozen heap while its copy was there.

    Only what a person may want to read later is named: there are far more references.
    """

    edges: Mapping[tuple[int, int], str] = field(default_factory=dict)
    """By address of the referring object and of its referent: what the reference is called. Empty
    text where the referent is only a part of the object before it."""
    fields: Mapping[FieldKey, str] = field(default_factory=dict)
    """What the references of all objects of a class are called."""
    labels: Mapping[int, str] = field(default_factory=dict)
    """By address: what an object is called as the beginning of a chain."""
    suspended: Mapping[int, tuple[Site, ...]] = field(default_factory=dict)
    """By address of a task, coroutine or generator: where its code waits, outermost first."""


@dataclass(frozen=True, slots=True)
class HeapImage:
    """One heap, as it is kept in a recording."""

    at: float
    """Seconds since the epoch."""
    work: float | None
    """Value of the work counter at that instant, None without one."""
    pause_ms: float
    """How long the target was held up for it."""
    snapshot: HeapSnapshot
    """In ascending order of address."""
    containers: tuple[ContainerLength, ...] = ()
    """The longest containers, longest first, ties by address."""
    roots: HeapRoots = field(default_factory=HeapRoots)
    names: KeptNames = field(default_factory=KeptNames)
