"""Where the heap of one process grew from one snapshot to a later one."""

from __future__ import annotations

from dataclasses import dataclass

from leakscope.model.cohorts import Cohort
from leakscope.model.evidence import HELD_BY, Site, Step, Unheld
from leakscope.model.explanation import TypeShare
from leakscope.model.unheld import StrayReferences, UnheldSeries


@dataclass(frozen=True, slots=True)
class GrowthPlace:
    """One place at which objects pile up."""

    fingerprint: str
    """The same for the same place in another run: free of addresses, indexes, counts."""
    path: str
    """How it is reached, dotted; empty when no reference leads there."""
    type: str
    """Of the object at which they pile up."""
    chain: tuple[Step, ...]
    """From a root to that object."""
    shared: bool
    """Whether no one object holds it all (several roots, running calls or C code do); then the
    object at the end of `chain` is the part that keeps most."""
    holder: int | None
    """Index into `chain` of the nearest object that was there before; None if none is in it."""
    entry: tuple[Step, ...]
    """From that object to what matters in a typical entry."""
    entries: int
    """Objects that hang on it and are new."""
    objects: int
    """Gained, net of what was freed there."""
    bytes: int
    types: tuple[TypeShare, ...]
    """What was gained, most bytes first, ties by name."""
    spread: bool
    """Whether it is not the place that grows but many old objects below it, each a little."""
    also_held_by: tuple[str, ...]
    """Paths of other objects that refer to most of the entries."""
    site: Site | None
    """Where the code of a typical entry is suspended, if it is code."""
    cohorts: tuple[Cohort, ...]
    """With three snapshots or more: what became of the entries that came between each two."""
    unheld: tuple[Unheld, ...] = ()
    """By type, what most of it hangs on and nobody seen holds; then the chain leads to one of the
    first type."""

    @property
    def is_rooted(self) -> bool:
        """Whether `chain` begins at something that has a name."""
        return bool(self.chain) and self.chain[0].edge != HELD_BY


@dataclass(frozen=True, slots=True)
class HeapComparison:
    """What changed between two heaps of one process."""

    places: tuple[GrowthPlace, ...]
    """Most bytes first."""
    made: int
    """Objects that live and did not before."""
    freed: int
    """Objects that lived before and are gone."""
    bytes: int
    """Bytes of live objects gained."""
    garbage_objects: int
    """Uncollected garbage gained."""
    garbage_bytes: int
    unheld: tuple[UnheldSeries, ...] = ()
    """Types of which nobody seen holds more, or to which more references are found nowhere."""
    strays: tuple[StrayReferences, ...] = ()
    """Objects that stay and to which ever more references are found nowhere, most first."""
    unit: str = "second"
    """What their slopes are per."""
