"""Measuring a target by Python source that runs inside it.

Works wherever some Python can be run in the target. What it costs is a pause that grows with the
heap, which every reading states; what it cannot see is what gc does not track (numbers, texts,
byte strings), save where it looks at what an entry of a suspect keeps alive.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any, Protocol

from leakscope.capture.gathering import SEEK_PART, Gathering, printable
from leakscope.capture.interface import CONTAINERS, SHORTEST, Planted, Reading
from leakscope.capture.sources import sources_for
from leakscope.errors import LeakscopeError
from leakscope.model.census import ContainerLength, TypeTotal
from leakscope.model.evidence import Evidence, Site, SiteGrowth, Suspects
from leakscope.model.recording import CaptureKind

SHORTEST_UNTRACKED = 64
"""The same for dicts that gc does not track, which take longer to find."""
SEEK_EVERY = 10
"""Censuses from one search for untracked dicts to the next; an early one finds what grows."""
SITES = 25
"""How many allocation sites are told."""
_CANARY, _REMOVE = "leakscope_session.Canary", "remove_canaries"
SAMPLE = 8_000
"""Objects that are measured to learn how large those of each type are."""


class Executor(Protocol):
    """Something that runs source in the target (`leakscope.capture.session.Session`)."""

    def execute(self, source: str) -> None:
        """Run `source` in the private namespace."""
        ...

    def call(self, function: str, *args: object) -> object:
        """Call a function of the private namespace; literals in, a literal out."""
        ...

    def close(self) -> None:
        """Let the target go."""
        ...


@dataclass(slots=True)
class _TypeSize:
    """What was learnt about one type from sampling: a mean that settles."""

    name: str
    basic: int
    measured: float = 0.0
    bytes: float = 0.0

    @property
    def mean(self) -> float:
        return self.bytes / self.measured if self.measured else self.basic

    def learn(self, measured: int, size: int) -> None:
        """Add a sample; one that came ten samples earlier counts a third."""
        self.measured = 0.9 * self.measured + measured
        self.bytes = 0.9 * self.bytes + size


class PortableCapture:
    """A target measured by the payload. Not for use from several threads."""

    def __init__(self, session: Executor) -> None:
        self._session = session
        self._sent: set[str] = set()
        self._types: dict[int, _TypeSize] = {}
        self._readings = 0
        self._all_dicts_tracked: bool | None = None
        self._traces = self._others_trace = self._collected = False

    @property
    def kind(self) -> CaptureKind:
        """How it measures."""
        return CaptureKind.PORTABLE

    @property
    def caveats(self) -> tuple[str, ...]:
        """What readers of its figures must know."""
        told = [
            "Portable capture: only objects that gc tracks are counted, so not numbers, texts "
            "and byte strings.",
            "Bytes per type are its objects times the mean size of a sample, plus the exact size "
            "of the longest containers.",
        ]
        if self._collected:
            told.append("The collector was run in the target before each count.")
        if self._traces:
            told.append("tracemalloc slows the target down while allocations are traced.")
        if self._others_trace:
            told.append("Allocation stacks are as deep as the tracing that was already on keeps.")
        return tuple(told)

    def census(self) -> Reading:
        """Count what is alive now; see `Capture.census`."""
        self._send("census", "untracked")
        counts, counting = self._count()
        rows, measuring = self._containers()
        untracked, seeking = self._untracked(sum(counts.values()))
        sampling = self._sample(sum(counts.values())) if self._wants_sample() else 0.0
        self._readings += 1
        return Reading(
            types=self._totals(counts, rows),
            containers=tuple(
                ContainerLength(address, self._name(cls), length)
                for address, length, _, cls in sorted(
                    [*rows, *untracked], key=lambda row: (-row[1], row[0])
                )[:CONTAINERS]
            ),
            pause_ms=1000 * (counting + measuring + seeking + sampling),
        )

    def census_of_live(self) -> Reading:
        """Count what is alive now, after running the collector in the target, which is told.

        Where it is off it stays off: garbage is there for good, and counts.
        """
        self._send("collecting")
        seconds = self._call("collect_garbage")
        reading = self.census()
        if seconds is None:
            return reading
        self._collected = True
        return replace(reading, pause_ms=reading.pause_ms + 1000 * seconds)

    def gather(self, suspects: Suspects) -> Evidence:
        """Find out who holds the suspects; see `Capture.gather`."""
        self._send("census", "entries", "chains", "search")
        counts, _ = self._count()
        types: dict[str, tuple[list[int], int]] = {}
        for cls, count in counts.items():
            name = self._name(cls)
            if name in suspects.types:
                ids, before = types.get(name, ([], 0))
                types[name] = ([*ids, cls], before + count)
        gathering = Gathering(self._call, self._name)
        holders, kinds = gathering.run(
            suspects.containers,
            {name: types[name] for name in suspects.types if name in types},
            sum(counts.values()),
        )
        return Evidence(holders=holders, types=kinds, sites=self._sites())

    def trace_allocations(self, *, on: bool) -> None:
        """Start or stop tracemalloc in the target.

        Where somebody else is tracing already, theirs is used and goes on afterwards.
        """
        if on and not self._traces:
            self._send("tracing")
            self._others_trace = not self._call("trace_begin")
        elif self._traces and not on:
            self._call("trace_end")
        self._traces = on

    def sample_allocations(self, *, on: bool) -> None:
        """Do nothing: only the native agent samples."""

    def plant(self, objects: int) -> Planted:
        """Have the target keep so many more objects; see `Planting.plant`."""
        self._send("canary")
        address = self._call("plant_canaries", objects) if objects else self._call(_REMOVE)
        return Planted(_CANARY, address)

    def close(self) -> None:
        """Detach; the target keeps nothing. Idempotent, never raises."""
        with suppress(LeakscopeError):
            if self._traces:
                self.trace_allocations(on=False)
        self._session.close()

    def _sites(self) -> tuple[SiteGrowth, ...]:
        if not self._traces:
            return ()
        return tuple(
            SiteGrowth(tuple(Site(printable(f), n, printable(name)) for f, n, name in stack), b, k)
            for b, k, stack in self._call("trace_growth", SITES)
        )

    def _send(self, *names: str) -> None:
        """Make sure that the target has the payload files `names`, one short piece at a time."""
        for name, text in sources_for(*names):
            if name not in self._sent:
                self._session.execute(text)
                self._sent.add(name)

    def _call(self, function: str, *args: object) -> Any:  # noqa: ANN401
        return self._session.call(function, *args)

    def _count(self) -> tuple[dict[int, int], float]:
        pause, counts, news = self._call("count_types")
        for address, told in news.items():
            basic, _, name = told.partition(" ")
            self._types[address] = _TypeSize(printable(name), int(basic))
        return counts, pause

    def _containers(self) -> tuple[list[tuple[int, int, int, int]], float]:
        pause, rows = self._call("longest_containers", CONTAINERS, SHORTEST)
        return rows, pause

    def _untracked(self, objects: int) -> tuple[list[tuple[int, int, int, int]], float]:
        """Measure the long dicts that gc does not track, once it does not track all."""
        if self._all_dicts_tracked is None:
            self._all_dicts_tracked = bool(self._call("tracks_all_dicts"))
        if self._all_dicts_tracked:
            return [], 0.0
        longest = 0.0
        if self._readings == 2 or self._readings % SEEK_EVERY == 0:
            for start in range(0, objects, SEEK_PART):
                pause = self._call("seek_untracked", start, SEEK_PART, SHORTEST_UNTRACKED)
                longest = max(longest, pause)
        pause, rows = self._call("untracked_containers", CONTAINERS, SHORTEST_UNTRACKED)
        return rows, longest + pause

    def _wants_sample(self) -> bool:
        """Sizes hardly change: the first readings learn them, every fifth refreshes them."""
        return self._readings < 3 or self._readings % 5 == 0

    def _sample(self, objects: int) -> float:
        stride = max(1, objects // SAMPLE)
        first = (self._readings * 7919) % stride
        pause, sizes = self._call("sample_sizes", first, stride)
        for address, (measured, size) in sizes.items():
            if address in self._types:
                self._types[address].learn(measured, size)
        return float(pause)

    def _totals(
        self, counts: dict[int, int], rows: list[tuple[int, int, int, int]]
    ) -> dict[str, TypeTotal]:
        rest, exact = dict(counts), dict.fromkeys(counts, 0)
        for _, _, size, cls in rows:
            if cls in rest:
                rest[cls] -= 1
                exact[cls] += size
        totals: dict[str, TypeTotal] = {}
        for cls, objects in counts.items():
            size = exact[cls] + round(max(0, rest[cls]) * self._types[cls].mean)
            before = totals.get(self._name(cls), TypeTotal(0, 0))
            totals[self._name(cls)] = TypeTotal(before.objects + objects, before.bytes + size)
        return dict(sorted(totals.items()))

    def _name(self, cls: int) -> str:
        known = self._types.get(cls)
        return known.name if known else "?"
