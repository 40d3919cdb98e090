"""What was learnt about the suspects: who holds them, what their entries are, where they came from.

Trends say *that* a key grows; evidence says *why it is alive*. A capture gathers it for the few
keys that grow, while the target is still there.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

HELD_BY = "held by"
"""The edge to the first object of a chain whose root was not found."""

_MODULE = "module "
_BOUNDED = re.compile(r"lru_cache entries \(at most (\d{1,18})\)")

GARBAGE = "uncollected garbage"
"""The edge to an object that nothing holds but itself, in a cycle that the chain shows."""


@dataclass(frozen=True, slots=True)
class Step:
    """One link of a retention chain: how the object is referred to, and what it is."""

    edge: str
    """The reference that leads here: `module shop.audit`, `.PENDING`, `[17]`, `['key']`,
    `local request of handle`."""
    type: str
    """Qualified type of the object the reference leads to."""


@dataclass(frozen=True, slots=True, order=True)
class Site:
    """One source line; ordered by file, line and function."""

    file: str
    line: int
    function: str


@dataclass(frozen=True, slots=True)
class EntryShare:
    """What one entry of a holder keeps alive of one type, on average."""

    type: str
    objects: float
    bytes: float


@dataclass(frozen=True, slots=True)
class HolderEvidence:
    """A container that grows: its name, and what each entry of it keeps alive."""

    address: int
    type: str
    chain: tuple[Step, ...]
    """From a named root to the container; empty when no path was found."""
    entry: tuple[Step, ...]
    """From the container to the object that accounts for most of what an entry keeps alive."""
    shares: tuple[EntryShare, ...]
    """By type, for what is reachable only through an entry; most bytes first, ties by name."""
    entries_sampled: int
    site: Site | None = None
    """Where the leading object is suspended or was defined, if it is code (a task, a closure)."""
    beside: tuple[EntryShare, ...] = ()
    """By type, objects that one entry or a few refer to and that others hold as well: 0 bytes of
    them are an entry's own. Most objects first, ties by name, without the language's own types."""


@dataclass(frozen=True, slots=True)
class Unheld:
    """Objects of one type that nobody seen holds: only what they keep alive refers to them."""

    type: str
    objects: int
    references: int
    """Counted references to them that are found nowhere; one each at least."""
    retained_bytes: int
    """What would be freed with all of them, themselves included."""
    looks: tuple[Step, ...] = ()
    """The first few kinds of references that a typical one has."""
    more: int = 0
    """How many kinds it has besides."""


@dataclass(frozen=True, slots=True)
class TypeEvidence:
    """Why one object of a type is alive."""

    type: str
    objects: int
    """How many there are."""
    chain: tuple[Step, ...]
    """From a named root to a recently made object of the type; empty when none was found. It begins
    with `GARBAGE` where most of those that were made recently only wait for the collector."""
    unheld: Unheld | None = None
    """Where nobody seen holds most of those that were made recently: all that nobody holds."""


def bound_of(chain: Sequence[Step]) -> int | None:
    """Return how many entries the container that a chain leads to takes, if it says so.

    A cache of `functools` does, whose entries are called `lru_cache entries (at most 128)`.
    """
    found = _BOUNDED.fullmatch(chain[-1].edge) if chain else None
    return int(found[1]) if found else None


def module_of(chain: Sequence[Step]) -> str | None:
    """Return the module that a chain begins at, if it does."""
    first = chain[0].edge if chain else ""
    return first.removeprefix(_MODULE) if first.startswith(_MODULE) else None


def is_garbage(chain: Sequence[Step]) -> bool:
    """Return whether a chain is that of an object that only waits for the collector."""
    return bool(chain) and chain[0].edge == GARBAGE


@dataclass(frozen=True, slots=True)
class SiteGrowth:
    """What one source line allocated and has not freed since tracing began."""

    stack: tuple[Site, ...]
    """Innermost first."""
    bytes: int
    blocks: int
    holder: int = 0
    """Address of the container whose entries keep what was allocated; 0 if that is not known."""
    type: str = ""
    """Type of the objects that were allocated; empty if that is not known."""


@dataclass(frozen=True, slots=True)
class ModuleFile:
    """A module that chains begin at, and its source file as the module itself says."""

    name: str
    file: str


@dataclass(frozen=True, slots=True)
class Opened:
    """Descriptors of one kind that were opened while a process was watched, and stayed open."""

    kind: str
    """See `DescriptorGroup`, as for the other two."""
    where: str
    state: str
    descriptors: int


@dataclass(frozen=True, slots=True)
class Evidence:
    """Everything that was gathered about the suspects of one recording."""

    holders: tuple[HolderEvidence, ...] = ()
    types: tuple[TypeEvidence, ...] = ()
    sites: tuple[SiteGrowth, ...] = ()
    """Of each holder, of each type, and of nothing that is known, most bytes first each, but those
    of a holder's entries before others of it; empty when allocations were not looked at."""
    modules: tuple[ModuleFile, ...] = ()
    """Ordered by name; without those whose file is not known."""
    opened: tuple[Opened, ...] = ()
    """Most descriptors first; empty where their number did not rise."""
    most_open: int | None = None
    """How many descriptors the process may have; None if that is not known or was not asked."""


@dataclass(frozen=True, slots=True)
class Suspects:
    """The keys that evidence is wanted for, most suspicious first."""

    containers: tuple[int, ...] = ()
    """Addresses."""
    types: tuple[str, ...] = ()
    sizes: tuple[str, ...] = ()
    """Types whose objects get larger: the one of each that did so most is told as a holder."""

    def __bool__(self) -> bool:
        return bool(self.containers or self.types or self.sizes)
