"""A diagnosis: the verdict and the findings behind it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from leakscope.model.cohorts import Cohort
from leakscope.model.evidence import ModuleFile, Opened, Site, Step, Unheld
from leakscope.model.memory import LayerGrowth
from leakscope.model.recording import CaptureKind
from leakscope.model.target import MemoryLimit, Target
from leakscope.model.trend import Interval, Trend


class Verdict(str, Enum):
    """What a measurement amounts to."""

    LEAKING = "leaking"
    CLEAN = "clean"
    INCONCLUSIVE = "inconclusive"
    NOT_MEASURED = "not-measured"


class Status(str, Enum):
    """How sure a finding is."""

    CONFIRMED = "confirmed"
    SUSPECTED = "suspected"


@dataclass(frozen=True, slots=True)
class TypeRate:
    """How fast one type grows as part of a finding."""

    type: str
    objects_per_work: float
    objects_per_second: float


@dataclass(frozen=True, slots=True)
class Growth:
    """How fast a finding grows, per unit of work."""

    unit: str
    """`request`, `second`…"""
    objects: Interval
    bytes: Interval | None
    """None when the size of what accumulates is not known."""

    @property
    def of_memory(self) -> Interval | None:
        """Bytes, where it is memory that grows and not a number of objects; else None."""
        return None if self.objects.high else self.bytes

    @property
    def main(self) -> Interval:
        """What it is told by: objects, or bytes where it is memory that grows."""
        return self.of_memory or self.objects

    @property
    def is_of_bytes(self) -> bool:
        """Whether it is memory that grows, and not a number of objects."""
        return self.of_memory is not None


@dataclass(frozen=True, slots=True)
class Exhausted:
    """When a process has all the descriptors that it may have, if it goes on like this."""

    limit: int
    seconds: float
    """From the last sample on; 0 if there is no room already."""


@dataclass(frozen=True, slots=True)
class Holder:
    """The container in which objects accumulate."""

    path: str
    """For example `shop.audit.PENDING`."""
    type: str
    first_length: int
    last_length: int


@dataclass(frozen=True, slots=True)
class Finding:
    """One leak."""

    id: str
    """`L1`, `L2`… in the order of the report."""
    fingerprint: str
    """The same for the same leak in another run: free of addresses, indexes, counts."""
    status: Status
    type: str
    """The type whose objects account for most of what accumulates."""
    types: tuple[TypeRate, ...]
    """All types that grow with it, the leading type first, then fastest first, ties by name."""
    growth: Growth
    holder: Holder | None
    chain: tuple[Step, ...]
    """From a named root through the holder to the leading object."""
    allocated_at: tuple[Site, ...]
    """Innermost first."""
    retained_bytes: int | None
    """What all that accumulated so far keeps alive."""
    why: str
    """What the reader should understand and do, in a sentence or two."""
    series: tuple[float, ...]
    """Length of the holder, or count of the leading type, at each census."""
    cohorts: tuple[Cohort, ...] = ()
    """With three heap snapshots or more: what became of the holder's entries that came between
    each two."""
    unheld: tuple[Unheld, ...] = ()
    """By type, the leading one first, what nobody seen holds; empty where somebody holds it."""
    opened: tuple[Opened, ...] = ()
    """Of descriptors that grow, or grow with it: what came and stayed, most first."""
    exhausted: Exhausted | None = None
    """Of descriptors that grow, or grow with it: when there can be no more."""


@dataclass(frozen=True, slots=True)
class NotLeak:
    """A key that grew and is no leak."""

    key: str
    label: str
    reason: str
    types: tuple[str, ...] = ()
    """Types that grew because of it and are not told by themselves."""


@dataclass(frozen=True, slots=True)
class CaptureSummary:
    """How the measurement was made and what it cost the target."""

    kind: CaptureKind
    samples: int
    pause_median_ms: float
    pause_max_ms: float


@dataclass(frozen=True, slots=True)
class Work:
    """How much work was done while measuring."""

    unit: str
    total: float


@dataclass(frozen=True, slots=True)
class Forecast:
    """When memory ends if RSS goes on growing as it did, in seconds from the last census."""

    earliest_seconds: float
    latest_seconds: float | None
    """None when growth may be too slow to tell."""
    limit: MemoryLimit


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """What a recording says, ready to be rendered."""

    verdict: Verdict
    reason: str
    target: Target
    capture: CaptureSummary
    work: Work
    seconds: float
    findings: tuple[Finding, ...]
    """Most bytes per unit of work first, then objects, ties by fingerprint."""
    not_leaks: tuple[NotLeak, ...]
    """Ordered by key."""
    rss: Trend | None
    rss_series: tuple[float, ...]
    forecast: Forecast | None
    caveats: tuple[str, ...]
    modules: tuple[ModuleFile, ...] = ()
    """The source files of modules that chains of findings begin at, as far as they are known."""
    layers: LayerGrowth | None = None
    """Which layers of resident memory grew; None where that was not looked at."""
