"""What is measured of one connected target, sample by sample, and kept whatever happens to it."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Protocol

from leakscope import __version__
from leakscope.analysis.diagnose import diagnose
from leakscope.analysis.suspects import is_growing, suspects
from leakscope.capture.descriptors import most_descriptors, open_links
from leakscope.capture.interface import Capture, Reading
from leakscope.capture.limits import tightest
from leakscope.capture.metrics import sample_metrics
from leakscope.capture.process import ProcessIdentity, TargetGone
from leakscope.capture.systems import LOCAL, System
from leakscope.errors import LeakscopeError
from leakscope.model.census import Census
from leakscope.model.evidence import Evidence
from leakscope.model.image import HeapImage
from leakscope.model.memory import LayerReading, Ledger
from leakscope.model.recording import Ending, Recording
from leakscope.model.target import MemoryLimit, Target
from leakscope.watching.captures import FrozenCensusCapture
from leakscope.watching.descriptors import opened_since
from leakscope.watching.thinning import thin

MOST_SAMPLES = 120
"""A recording keeps so many samples, evenly spaced, however many are taken."""

_GROWS_IN = 4
"""Samples from which on it is asked whether anything grows."""
_MORE_OPEN = 5
"""Descriptors more than at first from which on it is told what they are."""
_LOOKED_AT = 2
"""Of so many samples one is looked at for that."""


class Observer(Protocol):
    """Somebody who follows a recording while it is made."""

    def sampled(self, recording: Recording, taken: int, of: int) -> None:
        """Take note of the recording so far; its last census, the `taken`-th of `of`, is new."""
        ...

    def gathering(self) -> None:
        """Take note that evidence is being gathered."""
        ...

    def locating(self) -> None:
        """Take note that more work is done, to find out where what grows is allocated."""
        ...

    def prolonged(self, reason: str, samples: int) -> None:
        """Take note that more samples are taken, so many in all, and why."""
        ...


class NothingMeasured(LeakscopeError):
    """Not one sample could be taken."""

    hint = "`leakscope doctor PID` shows what stands in the way."


class Sites(str, Enum):
    """Whether it is found out where what grows is allocated."""

    NEVER = "never"
    AUTO = "auto"
    """Sampled from when something grows."""
    ALWAYS = "always"
    """Sampled from the beginning."""
    TRACEMALLOC = "tracemalloc"
    """Every allocation, from the beginning."""


@dataclass(slots=True)
class Series:
    """The samples, the evidence and the heap snapshots of one target, as they come in.

    Whatever happens to the target on the way, what was measured until then is kept.
    """

    target: Target
    capture: Capture
    observer: Observer | None = None
    sites: Sites = Sites.NEVER
    keep_heap: Callable[[float, float | None], HeapImage] | None = None
    """Takes a heap snapshot that is kept, given time and work."""
    take_ledger: Callable[[], Ledger] | None = None
    """Tells where resident memory went."""
    work_unit: str = "second"
    at_rest: bool = False
    now: Callable[[], float] = time.time
    """Seconds since the epoch: says when a sample was taken."""
    system: System = LOCAL
    """By whose means the process is measured."""
    taken: int = 0
    _censuses: list[Census] = field(default_factory=list)
    _evidence: Evidence = field(default_factory=Evidence)
    _heaps: list[HeapImage] = field(default_factory=list)
    _layers: list[LayerReading] = field(default_factory=list)
    _caveats: list[str] = field(default_factory=list)
    _kept_at: int = -1
    _gathered_at: int = -1
    _weighed_at: int = -1
    _limit: MemoryLimit | None = None
    _links: dict[int, str] | None = None
    _escalated: bool = False

    def begin(self) -> None:
        """Make ready for the first sample."""
        if self.sites is Sites.TRACEMALLOC:
            self.capture.trace_allocations(on=True)
        elif self.sites is Sites.ALWAYS:
            self.capture.sample_allocations(on=True)
        bound = tightest(self.system.memory_bounds(self.target.pid))
        self._limit = None if bound is None else bound.as_limit()

    @property
    def is_empty(self) -> bool:
        """Whether there is no sample yet."""
        return not self._censuses

    def add(self, reading: Reading, at: float, work: float | None, of: int) -> None:
        """Add a sample that was taken at `at`, when so much work was done; `of` are planned."""
        if self.is_empty and of > 1:
            with suppress(LeakscopeError):  # Not every system tells, and not everybody.
                self._links = open_links(self.identity)
        self._censuses.append(
            Census(
                at=at,
                work=work,
                types=reading.types,
                containers=reading.containers,
                metrics=sample_metrics(self.identity),
                pause_ms=reading.pause_ms,
            )
        )
        self.taken += 1
        thin(self._censuses, MOST_SAMPLES)
        if self.observer is not None:
            self.observer.sampled(self.recording(Ending.INTERRUPTED), self.taken, of)

    def gather(self, ending: Ending) -> Ending:
        """Gather evidence; on failure keep what was gathered before. Return how it ends now.

        Nothing is done twice after one sample.
        """
        wanted = suspects(self.recording(ending))
        if self._gathered_at == self.taken or not (wanted or self.sites is Sites.TRACEMALLOC):
            return ending
        self._gathered_at = self.taken
        if self.observer is not None:
            self.observer.gathering()
        try:
            self._evidence = self.capture.gather(wanted)
        except LeakscopeError as problem:
            return self.lost(problem)
        return ending

    def escalate(self) -> None:
        """Find out where what grows is allocated, from now on, if something does.

        Raises what a request raises when the target is gone.
        """
        if self.sites is not Sites.AUTO or self._escalated:
            return
        if self.taken < _GROWS_IN or self.taken % _LOOKED_AT:
            return
        if is_growing(self.recording(Ending.COMPLETE)):
            self._escalated = True
            self.capture.sample_allocations(on=True)

    def locate(self, work: Callable[[], None]) -> None:
        """Have `work` done once more to see where what grows is allocated, if that is not known.

        Allocations are sampled closely meanwhile. Nothing that was measured changes by it.
        """
        capture = self.capture
        if not self._escalated or not isinstance(capture, FrozenCensusCapture):
            return
        recording = self.recording(Ending.COMPLETE)
        of_objects = [each for each in diagnose(recording).findings if each.types]
        if all(finding.allocated_at for finding in of_objects):
            return
        self._tell_opened()
        if self.observer is not None:
            self.observer.locating()
        with suppress(LeakscopeError):
            capture.sample_closely()
            work()
            found = capture.gather(suspects(recording)).sites
            known = {(site.holder, site.type) for site in self._evidence.sites}
            new = (site for site in found if (site.holder, site.type) not in known)
            self._evidence = replace(self._evidence, sites=(*self._evidence.sites, *new))

    def finish(self, ending: Ending) -> Recording:
        """Take back what was begun in the target, see what it opened; return the recording."""
        with suppress(LeakscopeError):
            self.capture.sample_allocations(on=False)
        self._tell_opened()
        return self.recording(ending)

    def _tell_opened(self) -> None:
        """Find out what was opened since the first sample and stayed open, if there is much."""
        counts = [census.metrics.fds for census in self._censuses]
        first, last = (counts[0], counts[-1]) if counts else (None, None)
        if self._links is None or first is None or last is None or self._evidence.opened:
            return
        if last - first >= _MORE_OPEN:
            with suppress(LeakscopeError):  # The target may have gone.
                opened = opened_since(self.identity, self._links)
                limit = most_descriptors(self.identity)
                self._evidence = replace(self._evidence, opened=opened, most_open=limit)

    def keep(self, work: float | None) -> None:
        """Keep a heap snapshot if that was asked for; without it the recording is still one.

        Nothing is done twice after one sample.
        """
        if self.keep_heap is None or not self._censuses or self._kept_at == self.taken:
            return
        try:
            self._heaps.append(self.keep_heap(self.now(), work))
        except LeakscopeError as problem:
            self.caveat(f"A heap snapshot could not be kept: {problem}.")
        self._kept_at = self.taken

    def weigh(self, work: float | None) -> None:
        """Find out where resident memory went, if that can be told; the first and last are kept.

        Nothing is done twice after one sample.
        """
        if self.take_ledger is None or self.is_empty or self._weighed_at == self.taken:
            return
        self._weighed_at = self.taken
        try:
            reading = LayerReading(self.now(), work, self.take_ledger())
        except LeakscopeError as problem:
            self.caveat(f"Where memory went is not told: {problem}.")
            self.take_ledger = None
            return
        self._layers[1:] = [reading]

    def lost(self, problem: LeakscopeError) -> Ending:
        """Note that nothing more can be measured; return how the recording ends."""
        gone = isinstance(problem, TargetGone) or not self.identity.is_alive()
        self.caveat(
            "The target exited while it was watched."
            if gone
            else f"Measuring ended early: {problem}."
        )
        return Ending.TARGET_EXITED if gone else Ending.LOST

    def uncount(self) -> None:
        """Forget what was read of the work counter: growth is per second from the first on."""
        self.work_unit = "second"
        self._censuses = [replace(census, work=None) for census in self._censuses]

    def caveat(self, text: str) -> None:
        """Note what readers must know, once."""
        if text not in self._caveats:
            self._caveats.append(text)

    @property
    def identity(self) -> ProcessIdentity:
        """The process."""
        return ProcessIdentity(self.target.pid, self.target.started, self.system)

    def recording(self, ending: Ending) -> Recording:
        """Return the recording so far. Raises `NothingMeasured` without a sample."""
        if not self._censuses:
            raise NothingMeasured(f"no sample could be taken of process {self.target.pid}")
        return Recording(
            target=self.target,
            kind=self.capture.kind,
            work_unit=self.work_unit,
            censuses=tuple(self._censuses),
            evidence=self._evidence,
            ending=ending,
            limit=self._limit,
            caveats=(*self.capture.caveats, *self._caveats, *self._thinned(), *self._strays()),
            leakscope=__version__,
            heaps=tuple(self._heaps),
            layers=tuple(self._layers),
            at_rest=self.at_rest,
        )

    def _strays(self) -> tuple[str, ...]:
        if not isinstance(self.capture, FrozenCensusCapture):
            return ()
        return self.capture.strays.caveats(self._censuses, self.work_unit)

    def _thinned(self) -> tuple[str, ...]:
        kept = len(self._censuses)
        if kept == self.taken:
            return ()
        return (f"{self.taken} samples were taken; {kept} of them, evenly spaced, are kept.",)
