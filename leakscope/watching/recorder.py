"""The measuring loop of a watch: a census every so often, evidence once something grows."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from threading import Event
from typing import Protocol

from leakscope.analysis.diagnose import diagnose
from leakscope.analysis.suspects import suspects
from leakscope.capture.interface import Capture
from leakscope.capture.work import WorkNotRead, WorkReading
from leakscope.errors import LeakscopeError
from leakscope.model.finding import Verdict
from leakscope.model.image import HeapImage
from leakscope.model.memory import Ledger
from leakscope.model.recording import Ending, Recording
from leakscope.model.target import Target
from leakscope.watching.series import Series

FEWEST_SAMPLES = 13
"""A plan makes at least so many: enough to screen and to confirm after warm-up is dropped."""

_LEAST_APART = 0.25
"""Share of the time between two samples that is left between any two, however long one takes."""

_LOOK_EVERY_S = 0.1
"""How often it is seen between two samples whether the target still runs."""

_WARM_AT = 0.25
"""Share of the samples after which it is found out a first time where resident memory went."""

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

    def due(self, number: int, begin: float, before: float) -> float:
        """Return when sample `number` is due, the first one at `begin`, the last done at `before`.

        Samples that come late, on a busy machine or after evidence was gathered, are not made good
        at once: bunched together they show nothing that goes on.
        """
        return max(begin + number * self.every, before + _LEAST_APART * self.every)


def plan(every: float | None, duration: float, *, usual: float = 5.0) -> Plan:
    """Return the sampling plan for what the user asked for.

    Without a wish for `every`, samples come every `usual` seconds, or more often when
    `duration` is too short for `FEWEST_SAMPLES`.
    """
    if every is None:
        every = min(usual, duration / (FEWEST_SAMPLES - 1))
    return Plan(every=min(every, duration), duration=duration)


class Meter(Protocol):
    """Something that counts work."""

    def read(self) -> WorkReading:
        """Return the work done until now; raises a `WorkNotRead` if that cannot be told."""
        ...


@dataclass(slots=True)
class Recorder:
    """Makes one recording of one connected target, by the clock.

    Whatever happens to the target or its work counter on the way, what was measured until then
    is kept: `record` raises only when there is nothing to return. Of heap snapshots one is kept
    from either end, and one from between if something grows by then.
    """

    series: Series
    meter: Meter | None = None
    longer: bool = False
    """Whether to go on once for as long again if the verdict would be that nothing can be told."""
    stop: Event = field(default_factory=Event)
    """Set it (from a signal handler, say) to end early with what there is."""
    finished: Callable[[], bool] = lambda: False
    """Asked before each sample; true ends the recording early as complete."""
    clock: Callable[[], float] = time.monotonic
    """Seconds from anywhere: says when a sample is due."""

    seen_alive: float = 0.0
    """When the target was last seen to run, as its system tells when processes start."""

    def record(self, plan: Plan) -> Recording:
        """Take the samples of `plan` and gather evidence about what grows."""
        self.begin()
        begin = self.clock()
        ending = self._sample_all(plan, begin)
        if self.longer and ending is Ending.COMPLETE:
            ending = self._go_on(plan, begin)
        return self.end(ending)

    def begin(self) -> None:
        """Make ready for the first sample."""
        if self.meter is not None:
            # A counter that can not be read is told before anything is measured.
            self.series.work_unit = self.meter.read().unit
        self.series.begin()

    def step(self, number: int, plan: Plan, *, evidence: bool = True) -> Ending | None:
        """Take sample `number` of `plan`, counted from 0, and what goes along with it.

        That is a heap snapshot at first, and evidence on the way unless `evidence` says no. Returns
        why there can be no more samples, None to go on.
        """
        ended = self._sample(plan)
        if ended is not None:
            return ended
        if number == 0:
            self._keep_heap()
        self._escalate()
        if number == int(plan.samples * _WARM_AT):
            self._weigh()
        if number == int(plan.samples * _EVIDENCE_AT) and evidence:
            self.series.gather(Ending.COMPLETE)
            if suspects(self.series.recording(Ending.COMPLETE)):
                self._keep_heap()
        return None

    def end(self, ending: Ending) -> Recording:
        """Gather evidence at the end and return the recording."""
        if ending in (Ending.COMPLETE, Ending.INTERRUPTED):
            ending = self.series.gather(ending)
        if ending in (Ending.COMPLETE, Ending.INTERRUPTED):
            self._keep_heap()
            self._weigh()
        return self.series.finish(ending)

    def _go_on(self, plan: Plan, begin: float) -> Ending:
        """Follow `plan` for as long again unless a verdict can be given already."""
        series = self.series
        diagnosis = diagnose(series.recording(Ending.COMPLETE))
        if diagnosis.verdict is not Verdict.INCONCLUSIVE or self.finished():
            return Ending.COMPLETE
        if series.observer is not None:
            series.observer.prolonged(
                f"nothing can be told yet ({diagnosis.reason})", plan.twice.samples
            )
        ending = series.gather(Ending.COMPLETE)
        if ending is not Ending.COMPLETE:
            return ending
        return self._sample_all(plan.twice, begin, after=plan.samples)

    def _sample_all(self, plan: Plan, begin: float, after: int = 0) -> Ending:
        """Take the samples of `plan` but the first so many, timed from `begin` on."""
        done = begin - plan.every if not after else self.clock()
        for number in range(after, plan.samples):
            if self._stopped_before(plan.due(number, begin, done)):
                break
            if number and self.finished():
                return Ending.COMPLETE
            ended = self.step(number, plan, evidence=not after)
            if ended is not None:
                return ended
            done = self.clock()
        if self.series.is_empty:
            self.step(0, plan)
        return Ending.INTERRUPTED if self.stop.is_set() else Ending.COMPLETE

    def _stopped_before(self, due: float) -> bool:
        """Wait until a sample is due, or the target has gone; return whether to stop first."""
        identity = self.series.identity
        while True:
            now = identity.system.now()
            alive = identity.is_alive()
            if alive:
                self.seen_alive = now
            rest = max(0.0, due - self.clock())
            if self.stop.wait(min(rest, _LOOK_EVERY_S) if alive else 0.0):
                return True
            if rest <= _LOOK_EVERY_S or not alive:
                return False

    def _sample(self, plan: Plan) -> Ending | None:
        """Take one sample; return why there can be no more, or None to go on."""
        series = self.series
        try:
            work_before = self._work()
            reading = series.capture.census()
            at = series.now()
            work_after = self._work()
            if self.meter is None or not (work_before is None or work_after is None):
                # A frozen copy may have outlived the target.
                series.add(reading, at, _midway(work_before, work_after), plan.samples)
        except LeakscopeError as problem:
            if series.is_empty:
                raise
            return series.lost(problem)
        return None

    def _work(self) -> WorkReading | None:
        if self.meter is None:
            return None
        try:
            reading = self.meter.read()
        except WorkNotRead as problem:
            self.series.identity.verify()
            self.series.caveat(f"The work counter could not be read every time: {problem}.")
            return None
        if reading.reset:
            self.series.caveat(f"The counter {reading.name} started anew while it was read.")
        return reading

    def _escalate(self) -> None:
        with suppress(LeakscopeError):  # If the target has gone the next sample will tell.
            self.series.escalate()

    def _weigh(self) -> None:
        if self.series.take_ledger is None:
            return
        with suppress(LeakscopeError):  # If the target has gone the next sample will tell.
            work = self._work()
            self.series.weigh(None if work is None else work.total)

    def _keep_heap(self) -> None:
        if self.series.keep_heap is None:
            return
        try:
            work = self._work()
        except LeakscopeError:
            return  # The target has gone, as the next sample will tell.
        self.series.keep(None if work is None else work.total)


def _midway(before: WorkReading | None, after: WorkReading | None) -> float | None:
    """Return the work at a census between two readings: requests are served meanwhile."""
    if before is None or after is None:
        return None
    return (before.total + after.total) / 2


def single_census(
    target: Target,
    capture: Capture,
    keep_heap: Callable[[float, float | None], HeapImage] | None = None,
    take_ledger: Callable[[], Ledger] | None = None,
) -> Recording:
    """Return a recording of one census, taken now.

    And of the heap if `keep_heap` is given, and of where memory went if `take_ledger` is.
    """
    recorder = Recorder(Series(target, capture, keep_heap=keep_heap, take_ledger=take_ledger))
    one = recorder.record(Plan(every=1.0, duration=0.0))
    return replace(one, ending=Ending.COMPLETE)
