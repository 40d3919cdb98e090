"""What is measured of one connected target, sample by sample, and kept whatever happens to it."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Protocol

from leakscope import __version__
from leakscope.analysis.suspects import suspects
from leakscope.capture.interface import Capture, Reading
from leakscope.capture.limits import tightest
from leakscope.capture.metrics import sample_metrics
from leakscope.capture.process import ProcessIdentity, TargetGone
from leakscope.capture.systems import LOCAL, System
from leakscope.errors import LeakscopeError
from leakscope.model.census import Census
from leakscope.model.evidence import Evidence
from leakscope.model.image import HeapImage
from leakscope.model.recording import Ending, Recording
from leakscope.model.target import MemoryLimit, Target
from leakscope.watching.thinning import thin

MOST_SAMPLES = 120
"""A recording keeps so many samples, evenly spaced, however many are taken."""


class Observer(Protocol):
    """Somebody who follows a recording while it is made."""

    def sampled(self, recording: Recording, taken: int, of: int) -> None:
        """Take note of the recording so far; its last census, the `taken`-th of `of`, is new."""
        ...

    def gathering(self) -> None:
        """Take note that evidence is being gathered."""
        ...

    def prolonged(self, reason: str, samples: int) -> None:
        """Take note that more samples are taken, so many in all, and why."""
        ...


class NothingMeasured(LeakscopeError):
    """Not one sample could be taken."""

    hint = "`leakscope doctor PID` shows what stands in the way."


@dataclass(slots=True)
class Series:
    """The samples, the evidence and the heap snapshots of one target, as they come in.

    Whatever happens to the target on the way, what was measured until then is kept.
    """

    target: Target
    capture: Capture
    observer: Observer | None = None
    sites: bool = False
    keep_heap: Callable[[float, float | None], HeapImage] | None = None
    """Takes a heap snapshot that is kept, given time and work."""
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
    _caveats: list[str] = field(default_factory=list)
    _kept_at: int = -1
    _gathered_at: int = -1
    _limit: MemoryLimit | None = None

    def begin(self) -> None:
        """Make ready for the first sample."""
        if self.sites:
            self.capture.trace_allocations(on=True)
        bound = tightest(self.system.memory_bounds(self.target.pid))
        self._limit = None if bound is None else bound.as_limit()

    @property
    def is_empty(self) -> bool:
        """Whether there is no sample yet."""
        return not self._censuses

    def add(self, reading: Reading, at: float, work: float | None, of: int) -> None:
        """Add a sample that was taken at `at`, when so much work was done; `of` are planned."""
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
        if self._gathered_at == self.taken or not (wanted or self.sites):
            return ending
        self._gathered_at = self.taken
        if self.observer is not None:
            self.observer.gathering()
        try:
            self._evidence = self.capture.gather(wanted)
        except LeakscopeError as problem:
            return self.lost(problem)
        return ending

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
            caveats=(*self.capture.caveats, *self._caveats, *self._thinned()),
            leakscope=__version__,
            heaps=tuple(self._heaps),
            at_rest=self.at_rest,
        )

    def _thinned(self) -> tuple[str, ...]:
        kept = len(self._censuses)
        if kept == self.taken:
            return ()
        return (f"{self.taken} samples were taken; {kept} of them, evenly spaced, are kept.",)
