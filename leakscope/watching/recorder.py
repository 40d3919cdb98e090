"""The measuring loop: a census every so often, evidence once something grows."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from threading import Event
from typing import Protocol

from leakscope import __version__
from leakscope.analysis.diagnose import diagnose
from leakscope.analysis.suspects import suspects
from leakscope.capture.interface import Capture
from leakscope.capture.limits import tightest
from leakscope.capture.metrics import sample_metrics
from leakscope.capture.process import ProcessIdentity, TargetGone
from leakscope.capture.systems import LOCAL, System
from leakscope.capture.work import WorkMeter, WorkNotRead, WorkReading
from leakscope.errors import LeakscopeError
from leakscope.model.census import Census
from leakscope.model.evidence import Evidence
from leakscope.model.finding import Verdict
from leakscope.model.image import HeapImage
from leakscope.model.recording import Ending, Recording
from leakscope.model.target import MemoryLimit, Target
from leakscope.watching.thinning import thin

FEWEST_SAMPLES = 13
"""A plan makes at least so many: enough to screen and to confirm after warm-up is dropped."""

MOST_SAMPLES = 120
"""A recording keeps so many samples, evenly spaced, however many are taken."""

_EVIDENCE_AT = 0.6
"""Share of the samples after which evidence is gathered a first time, in case the target exits."""


@dataclass(frozen=True, slots=True)
class Plan:
    """When samples are taken."""

    every: float
    """Seconds between two samples."""
    duration: float
    """Seconds from the first sample to the last."""

    @property
    def samples(self) -> int:
        """How many samples that makes, the first and the last included."""
        return int(self.duration / self.every + 1e-9) + 1

    @property
    def twice(self) -> Plan:
        """The plan that goes on for as long again."""
        return Plan(every=self.every, duration=2 * self.duration)


def plan(every: float | None, duration: float, *, usual: float = 5.0) -> Plan:
    """Return the sampling plan for what the user asked for.

    Without a wish for `every`, samples come every `usual` seconds, or more often when
    `duration` is too short for `FEWEST_SAMPLES`.
    """
    if every is None:
        every = min(usual, duration / (FEWEST_SAMPLES - 1))
    return Plan(every=min(every, duration), duration=duration)


class Observer(Protocol):
    """Somebody who follows a recording while it is made."""

    def sampled(self, recording: Recording, taken: int, plan: Plan) -> None:
        """Take note of the recording so far; its last census, the `taken`-th, is new."""
        ...

    def gathering(self) -> None:
        """Take note that evidence is being gathered."""
        ...

    def prolonged(self, reason: str, plan: Plan) -> None:
        """Take note that `plan` is followed from now on, since nothing can be told yet."""
        ...


class NothingMeasured(LeakscopeError):
    """Not one sample could be taken."""

    hint = "`leakscope doctor PID` shows what stands in the way."


@dataclass(slots=True)
class Recorder:
    """Makes one recording of one connected target.

    Whatever happens to the target or its work counter on the way, what was measured until then
    is kept: `record` raises only when there is nothing to return.
    """

    target: Target
    capture: Capture
    meter: WorkMeter | None = None
    observer: Observer | None = None
    sites: bool = False
    keep_heap: Callable[[float, float | None], HeapImage] | None = None
    """Takes a heap snapshot, given time and work. One is kept from either end of the recording,
    and one from between if something grows by then."""
    longer: bool = False
    """Whether to go on once for as long again if the verdict would be that nothing can be told."""
    stop: Event = field(default_factory=Event)
    """Set it (from a signal handler, say) to end early with what there is."""
    finished: Callable[[], bool] = lambda: False
    """Asked before each sample; true ends the recording early as complete."""
    clock: Callable[[], float] = time.monotonic
    """Seconds from anywhere: says when a sample is due."""
    now: Callable[[], float] = time.time
    """Seconds since the epoch: says when a sample was taken."""
    system: System = LOCAL
    """By whose means the process is measured."""
    _censuses: list[Census] = field(default_factory=list)
    _evidence: Evidence = field(default_factory=Evidence)
    _heaps: list[HeapImage] = field(default_factory=list)
    _caveats: list[str] = field(default_factory=list)
    _taken: int = 0
    _kept_at: int = 0
    _limit: MemoryLimit | None = None
    _work_unit: str = "second"

    def record(self, plan: Plan) -> Recording:
        """Take the samples of `plan` and gather evidence about what grows."""
        if self.meter is not None:
            # A counter that can not be read is told before anything is measured.
            self._work_unit = self.meter.read().unit
        if self.sites:
            self.capture.trace_allocations(on=True)
        bound = tightest(self.system.memory_bounds(self.target.pid))
        self._limit = None if bound is None else bound.as_limit()
        begin = self.clock()
        ending = self._sample_all(plan, begin)
        if self.longer and ending is Ending.COMPLETE:
            ending = self._go_on(plan, begin)
        if ending in (Ending.COMPLETE, Ending.INTERRUPTED):
            ending = self._gather(ending)
        if ending in (Ending.COMPLETE, Ending.INTERRUPTED) and self._kept_at != self._taken:
            self._keep_heap()
        return self._recording(ending)

    def _go_on(self, plan: Plan, begin: float) -> Ending:
        """Follow `plan` for as long again unless a verdict can be given already."""
        diagnosis = diagnose(self._recording(Ending.COMPLETE))
        if diagnosis.verdict is not Verdict.INCONCLUSIVE or self.finished():
            return Ending.COMPLETE
        if self.observer is not None:
            self.observer.prolonged(diagnosis.reason, plan.twice)
        ending = self._gather(Ending.COMPLETE)
        if ending is not Ending.COMPLETE:
            return ending
        return self._sample_all(plan.twice, begin, after=plan.samples)

    def _sample_all(self, plan: Plan, begin: float, after: int = 0) -> Ending:
        """Take the samples of `plan` but the first so many, timed from `begin` on."""
        for number in range(after, plan.samples):
            due = begin + number * plan.every
            if self.stop.wait(max(0.0, due - self.clock())):
                break
            if number and self.finished():
                return Ending.COMPLETE
            ended = self._sample(plan)
            if ended is not None:
                return ended
            if number == 0:
                self._keep_heap()
            if number == int(plan.samples * _EVIDENCE_AT) and not after:
                self._gather(Ending.COMPLETE)
                if suspects(self._recording(Ending.COMPLETE)):
                    self._keep_heap()
        if not self._censuses:
            self._sample(plan)
            self._keep_heap()
        return Ending.INTERRUPTED if self.stop.is_set() else Ending.COMPLETE

    def _sample(self, plan: Plan) -> Ending | None:
        """Take one sample; return why there can be no more, or None to go on."""
        try:
            census = self._census()
        except LeakscopeError as problem:
            if not self._censuses:
                raise
            return self._lost(problem)
        if census is None:
            return None
        self._censuses.append(census)
        self._taken += 1
        thin(self._censuses, MOST_SAMPLES)
        if self.observer is not None:
            self.observer.sampled(self._recording(Ending.INTERRUPTED), self._taken, plan)
        return None

    def _census(self) -> Census | None:
        work_before = self._work()
        reading = self.capture.census()
        at = self.now()
        work_after = self._work()
        if self.meter is not None and (work_before is None or work_after is None):
            return None
        return Census(
            at=at,
            work=_midway(work_before, work_after),
            types=reading.types,
            containers=reading.containers,
            metrics=sample_metrics(self._identity()),
            pause_ms=reading.pause_ms,
        )

    def _work(self) -> WorkReading | None:
        if self.meter is None:
            return None
        try:
            reading = self.meter.read()
        except WorkNotRead as problem:
            self._identity().verify()
            self._caveat(f"The work counter could not be read every time: {problem}.")
            return None
        if reading.reset:
            self._caveat(f"The counter {reading.name} started anew while it was read.")
        return reading

    def _gather(self, ending: Ending) -> Ending:
        """Gather evidence; on failure keep what was gathered before."""
        wanted = suspects(self._recording(ending))
        if not wanted and not self.sites:
            return ending
        if self.observer is not None:
            self.observer.gathering()
        try:
            self._evidence = self.capture.gather(wanted)
        except LeakscopeError as problem:
            return self._lost(problem)
        return ending

    def _keep_heap(self) -> None:
        """Keep a heap snapshot if that was asked for; without it the recording is still one."""
        if self.keep_heap is None or not self._censuses:
            return
        work = self._work()
        try:
            self._heaps.append(self.keep_heap(self.now(), None if work is None else work.total))
        except LeakscopeError as problem:
            self._caveat(f"A heap snapshot could not be kept: {problem}.")
        self._kept_at = self._taken

    def _lost(self, problem: LeakscopeError) -> Ending:
        gone = isinstance(problem, TargetGone) or not self._identity().is_alive()
        self._caveat(
            "The target exited while it was watched."
            if gone
            else f"Measuring ended early: {problem}."
        )
        return Ending.TARGET_EXITED if gone else Ending.LOST

    def _thinned(self) -> tuple[str, ...]:
        kept = len(self._censuses)
        if kept == self._taken:
            return ()
        return (f"{self._taken} samples were taken; {kept} of them, evenly spaced, are kept.",)

    def _caveat(self, text: str) -> None:
        if text not in self._caveats:
            self._caveats.append(text)

    def _identity(self) -> ProcessIdentity:
        return ProcessIdentity(self.target.pid, self.target.started, self.system)

    def _recording(self, ending: Ending) -> Recording:
        if not self._censuses:
            raise NothingMeasured(f"no sample could be taken of process {self.target.pid}")
        return Recording(
            target=self.target,
            kind=self.capture.kind,
            work_unit=self._work_unit,
            censuses=tuple(self._censuses),
            evidence=self._evidence,
            ending=ending,
            limit=self._limit,
            caveats=(*self.capture.caveats, *self._caveats, *self._thinned()),
            leakscope=__version__,
            heaps=tuple(self._heaps),
        )


def _midway(before: WorkReading | None, after: WorkReading | None) -> float | None:
    """Return the work at a census between two readings: requests are served meanwhile."""
    if before is None or after is None:
        return None
    return (before.total + after.total) / 2


def single_census(
    target: Target,
    capture: Capture,
    keep_heap: Callable[[float, float | None], HeapImage] | None = None,
) -> Recording:
    """Return a recording of one census, taken now, and of the heap if `keep_heap` is given."""
    recorder = Recorder(target=target, capture=capture, keep_heap=keep_heap)
    one = recorder.record(Plan(every=1.0, duration=0.0))
    return replace(one, ending=Ending.COMPLETE)
