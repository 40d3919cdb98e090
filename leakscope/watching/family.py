"""The measuring loop of a watch of several processes: a master and the workers below it.

They are sampled one after the other, never two at once, so that a service is never held up as a
whole. Each has a series of its own, which begins when it comes.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from threading import Event
from typing import Protocol

from leakscope.analysis.family import diagnose_family
from leakscope.capture.process import ProcessIdentity
from leakscope.errors import LeakscopeError
from leakscope.model.family import FamilyRecording, Role, Watched
from leakscope.model.finding import Verdict
from leakscope.model.recording import Ending, Recording
from leakscope.watching.members import Members, Open
from leakscope.watching.recorder import Plan, Recorder
from leakscope.watching.series import NothingMeasured, Series
from leakscope.watching.shared_work import SharedWork

_LOOK_EVERY_S = 1.0
"""How often it is seen between two rounds who has come."""


class FamilyObserver(Protocol):
    """Somebody who follows the recordings while they are made."""

    def sampled(self, recordings: Sequence[Recording], taken: int, of: int) -> None:
        """Take note of the recordings of those that are there, after round `taken` of `of`."""
        ...

    def noted(self, text: str) -> None:
        """Take note of a process that came, went or cannot be watched."""
        ...

    def prolonged(self, reason: str, samples: int) -> None:
        """Take note that more samples are taken, so many in all, and why."""
        ...


@dataclass(slots=True)
class FamilyRecorder:
    """Makes a recording of a master and of each Python process below it.

    Whatever happens to any of them, what was measured until then is kept, and all are left when
    `record` returns or raises.
    """

    master: ProcessIdentity
    open: Open
    observer: FamilyObserver
    work: SharedWork | None = None
    longer: bool = False
    """Whether to go on once for as long again if the verdict would be that nothing can be told."""
    stop: Event = field(default_factory=Event)
    """Set it to end early with what there is."""
    clock: Callable[[], float] = time.monotonic
    """Seconds from anywhere: says when a sample is due."""
    _members: Members = field(init=False)
    _unit: str = "second"
    _begin: float = 0.0
    _prolonged: bool = False

    def record(self, plan: Plan) -> FamilyRecording:
        """Take the samples of `plan` of all of them and gather evidence about what grows.

        Raises why nobody could be attached to if nobody could, and `NothingMeasured`.
        """
        self.master.verify()
        with ExitStack() as everything:
            self._members = Members(self.master, self.open, everything, self.observer.noted)
            if self.work is not None:
                self._unit = self.work.probe()
                self._fall_back_if_mixed()
            self._begin = self.clock()
            complete = self._rounds(plan)
            reason = self._doubt() if complete and self.longer else None
            if reason is not None:
                self._go_on(plan, reason)
            return self._end()

    def _rounds(self, plan: Plan, after: int = 0) -> bool:
        """Take the rounds of `plan` but the first so many; return whether all could be taken."""
        members = self._members
        done = self._begin - plan.every
        for number in range(after, plan.samples):
            due = plan.due(number, self._begin, done)
            if self._stopped_before(due, number) and number:
                return False
            self._look(number)
            self._sample_all(number, plan)
            done = self.clock()
            if not members.present and not self.master.is_alive():
                return False
            recordings = [member.recording for member in members.present if not member.is_empty]
            if recordings:
                self.observer.sampled(recordings, number + 1, plan.samples)
            if self.stop.is_set():
                return False
        return True

    def _stopped_before(self, due: float, number: int) -> bool:
        """Wait until round `number` is due, and look who comes; return whether to stop first."""
        while True:
            rest = max(0.0, due - self.clock())
            if self.stop.wait(min(rest, _LOOK_EVERY_S)):
                return True
            if rest <= _LOOK_EVERY_S:
                return False
            self._look(number)

    def _look(self, number: int) -> None:
        self._members.look(number, self.clock() - self._begin, self._recorder_of)

    def _recorder_of(self, series: Series) -> Recorder:
        series.work_unit = self._unit
        meter = self.work if self._unit != "second" else None
        return Recorder(series, meter=meter, stop=self.stop, clock=self.clock)

    def _sample_all(self, number: int, plan: Plan) -> None:
        """Sample those that are there, one after the other."""
        members = self._members
        if self.work is not None and self._unit != "second":
            self.work.look()
        for member in members.present:
            own = Plan(plan.every, plan.every * (plan.samples - 1 - member.since))
            try:
                ended = member.recorder.step(
                    number - member.since, own, evidence=not self._prolonged
                )
            except LeakscopeError as problem:  # Not even its first sample could be taken.
                members.problem = members.problem or problem
                members.drop(member, str(problem))
                continue
            if ended is not None:
                members.end(member, ended)
        self._fall_back_if_mixed()

    def _fall_back_if_mixed(self) -> None:
        """Count per second, from the first sample on, if the counter turns out to be several."""
        if self.work is None or not self.work.mixed or self._unit == "second":
            return
        self._unit = "second"
        for member in self._members.all:
            member.recorder.meter = None
            member.recorder.series.uncount()
        self.observer.noted(self.work.assumption(()))

    def _doubt(self) -> str | None:
        """Return why nothing can be told yet, None if a verdict can be given."""
        self._drop_empty()
        diagnosis = diagnose_family(self._family([each.recording for each in self._members.all]))
        return diagnosis.reason if diagnosis.verdict is Verdict.INCONCLUSIVE else None

    def _go_on(self, plan: Plan, reason: str) -> None:
        """Follow `plan` for as long again."""
        self._prolonged = True
        self.observer.prolonged(f"nothing can be told yet ({reason})", plan.twice.samples)
        for member in self._members.present:
            ending = member.recorder.series.gather(Ending.COMPLETE)
            if ending is not Ending.COMPLETE:
                self._members.end(member, ending)
        self._rounds(plan.twice, plan.samples)

    def _end(self) -> FamilyRecording:
        """Gather evidence of those that are there, and return what there is of all."""
        self._drop_empty()
        ending = Ending.INTERRUPTED if self.stop.is_set() else Ending.COMPLETE
        return self._family([m.recorder.end(m.ended or ending) for m in self._members.all])

    def _drop_empty(self) -> None:
        """Count those without a sample as not watched; raise if nobody is left."""
        members = self._members
        for member in [each for each in members.all if each.is_empty]:
            members.drop(member, "no sample could be taken")
        if not members.all:
            raise members.problem or NothingMeasured(
                f"no sample could be taken of process {self.master.pid} or its workers"
            )

    def _family(self, recordings: Sequence[Recording]) -> FamilyRecording:
        members = self._members
        return FamilyRecording(
            master=self.master.pid,
            members=tuple(
                Watched(member.role, member.came_after, recording)
                for member, recording in zip(members.all, recordings, strict=True)
            ),
            unwatched=members.unwatched,
            caveats=(*self._assumptions(), *members.caveats()),
        )

    def _assumptions(self) -> Iterator[str]:
        if self.work is not None:
            workers = [m.identity for m in self._members.all if m.role is Role.WORKER]
            yield self.work.assumption(workers)
