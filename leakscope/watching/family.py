"""The measuring loop of a watch of several processes: a master and the workers below it.

They are sampled one after the other, never two at once, so that a service is never held up as a
whole. Each has a series of its own, which begins when it comes.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, field
from threading import Event
from typing import Protocol

from leakscope.analysis.family import diagnose_family
from leakscope.capture.entering import NotInitialized
from leakscope.capture.process import ProcessIdentity
from leakscope.capture.process_tree import interpreters_below
from leakscope.errors import LeakscopeError
from leakscope.model.family import FamilyRecording, Role, Unwatched, Watched
from leakscope.model.finding import Verdict
from leakscope.model.recording import Ending, Recording
from leakscope.watching.recorder import Plan, Recorder
from leakscope.watching.series import NothingMeasured, Series
from leakscope.watching.shared_work import SharedWork

MOST_WORKERS = 16
"""So many workers are watched at the same time, at most."""
MOST_MEMBERS = 64
"""So many are kept in mind over the whole watch, where workers come and go."""
MOST_UNWATCHED = 100
"""So many that were not watched are listed."""
_LOOK_EVERY_S = 1.0
"""How often it is seen between two rounds who has come."""

_REST = 0.25
"""Share of the time between two rounds that they are left in peace, however long a round takes."""

_TOO_SHORT = "lived too short to be watched"
_TOO_MANY = f"at most {MOST_WORKERS} workers are watched"
_TOO_OFTEN = f"{MOST_MEMBERS} processes have been watched already"

Open = Callable[[ProcessIdentity], AbstractContextManager[Series]]
"""Attaches to a process, and detaches from it on leaving."""


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
class _Attached:
    """One process while it is watched."""

    role: Role
    since: int
    """The round in which it was sampled first."""
    came_after: float
    recorder: Recorder
    leave: ExitStack
    ended: Ending | None = None

    @property
    def identity(self) -> ProcessIdentity:
        return self.recorder.series.identity


@dataclass(slots=True)
class FamilyRecorder:
    """Makes a recording of a master and of each Python process below it.

    Whatever happens to any of them, what was measured until then is kept, and all are left when
    `record` returns or raises. Workers that come are attached to when they have been seen twice:
    what lives shorter is not disturbed.
    """

    master: ProcessIdentity
    open: Open
    work: SharedWork | None = None
    observer: FamilyObserver | None = None
    longer: bool = False
    """Whether to go on once for as long again if the verdict would be that nothing can be told."""
    stop: Event = field(default_factory=Event)
    """Set it to end early with what there is."""
    clock: Callable[[], float] = time.monotonic
    """Seconds from anywhere: says when a sample is due."""
    _unit: str = "second"
    _begin: float = 0.0
    _members: list[_Attached] = field(default_factory=list)
    _unwatched: dict[ProcessIdentity, str] = field(default_factory=dict)
    _refused: set[ProcessIdentity] = field(default_factory=set)
    _seen: set[ProcessIdentity] = field(default_factory=set)
    _uncounted: int = 0
    _problem: LeakscopeError | None = None
    _prolonged: bool = False

    def record(self, plan: Plan) -> FamilyRecording:
        """Take the samples of `plan` of all of them and gather evidence about what grows.

        Raises why nobody could be attached to if nobody could, and `NothingMeasured`.
        """
        self.master.verify()
        if self.work is not None:
            self._unit = self.work.probe()
            if self.work.mixed:
                self._count_no_work()
        with ExitStack() as everything:
            self._begin = self.clock()
            complete = self._rounds(plan, 0, everything)
            reason = self._doubt() if complete and self.longer else None
            if reason is not None:
                self._go_on(plan, reason, everything)
            return self._end()

    def _rounds(self, plan: Plan, after: int, everything: ExitStack) -> bool:
        """Take the rounds of `plan` but the first so many; return whether all could be taken."""
        done = self._begin
        for number in range(after, plan.samples):
            due = self._begin + number * plan.every
            if number:
                due = max(due, done + _REST * plan.every)
            if self._stopped_before(due, number, everything) and number:
                return False
            self._look(number, everything)
            self._sample_all(number, plan)
            done = self.clock()
            if not self._present and not self.master.is_alive():
                return False
            recordings = [_so_far(m) for m in self._present if not m.recorder.series.is_empty]
            if self.observer is not None and recordings:
                self.observer.sampled(recordings, number + 1, plan.samples)
            if self.stop.is_set():
                return False
        return True

    def _stopped_before(self, due: float, number: int, everything: ExitStack) -> bool:
        """Wait until round `number` is due, and look who comes; return whether to stop first."""
        while True:
            rest = max(0.0, due - self.clock())
            if self.stop.wait(min(rest, _LOOK_EVERY_S)):
                return True
            if rest <= _LOOK_EVERY_S:
                return False
            self._look(number, everything)

    @property
    def _present(self) -> list[_Attached]:
        return [m for m in self._members if m.ended is None]

    def _look(self, number: int, everything: ExitStack) -> None:
        """Attach to those that have come: at first to all, later to those seen twice."""
        if not number:
            self._enter(self.master, Role.MASTER, number, everything)
        known = self._refused.union(member.identity for member in self._members)
        found = interpreters_below(self.master, known)
        for worker in found:
            if not number or worker in self._seen:
                self._enter(worker, Role.WORKER, number, everything)
        for gone in self._seen.difference(found):
            self._skip(gone, self._unwatched.get(gone, _TOO_SHORT))
        self._seen = set(found).difference(member.identity for member in self._members)

    def _enter(
        self, identity: ProcessIdentity, role: Role, number: int, everything: ExitStack
    ) -> None:
        """Attach to one process, unless there is no room or something stands in the way."""
        workers = sum(member.role is Role.WORKER for member in self._present)
        if role is Role.WORKER and workers >= MOST_WORKERS:
            self._skip(identity, _TOO_MANY)
            return
        if len(self._members) >= MOST_MEMBERS:
            self._skip(identity, _TOO_OFTEN)
            return
        leave = everything.enter_context(ExitStack())
        try:
            series = leave.enter_context(self.open(identity))
            series.work_unit = self._unit
            series.begin()
        except LeakscopeError as problem:
            leave.close()
            if isinstance(problem, NotInitialized):
                return  # It is on its way; the next look tries again.
            self._problem = self._problem or problem
            self._refused.add(identity)
            self._skip(identity, str(problem) if identity.is_alive() else _TOO_SHORT)
            return
        self._unwatched.pop(identity, None)
        came_after = self.clock() - self._begin if number else 0.0
        meter = self.work if self._unit != "second" else None
        recorder = Recorder(series, meter=meter, stop=self.stop, clock=self.clock)
        self._members.append(_Attached(role, number, came_after, recorder, leave))

    def _skip(self, identity: ProcessIdentity, reason: str) -> None:
        if identity not in self._unwatched and len(self._unwatched) >= MOST_UNWATCHED:
            self._uncounted += 1
        elif self._unwatched.get(identity) != reason:
            self._unwatched[identity] = reason
            self._note(f"pid {identity.pid} is not watched: {reason}")

    def _sample_all(self, number: int, plan: Plan) -> None:
        """Sample those that are there, one after the other."""
        if self.work is not None and self._unit != "second":
            self.work.look()
        for member in self._present:
            own = Plan(plan.every, plan.every * (plan.samples - 1 - member.since))
            try:
                ended = member.recorder.step(
                    number - member.since, own, evidence=not self._prolonged
                )
            except LeakscopeError as problem:  # Not even its first sample could be taken.
                self._problem = self._problem or problem
                self._drop(member, str(problem))
                continue
            if ended is not None:
                self._left(member, ended)
            if self.work is not None and self.work.mixed and self._unit != "second":
                self._count_no_work()

    def _left(self, member: _Attached, ended: Ending) -> None:
        member.ended = ended
        member.leave.close()
        way = "has exited" if ended is Ending.TARGET_EXITED else "can no longer be measured"
        self._note(f"{member.role.value} {member.identity.pid} {way}")

    def _count_no_work(self) -> None:
        """Fall back to rates per second, for all and from the first sample on."""
        self._unit = "second"
        for member in self._members:
            member.recorder.meter = None
            member.recorder.series.uncount()
        if self.work is not None:
            self._note(self.work.assumption(()))

    def _doubt(self) -> str | None:
        """Return why nothing can be told yet, None if a verdict can be given."""
        self._drop_empty()
        told = [_so_far(member) for member in self._members]
        diagnosis = diagnose_family(self._family(told))
        return diagnosis.reason if diagnosis.verdict is Verdict.INCONCLUSIVE else None

    def _go_on(self, plan: Plan, reason: str, everything: ExitStack) -> None:
        """Follow `plan` for as long again."""
        self._prolonged = True
        if self.observer is not None:
            self.observer.prolonged(f"nothing can be told yet ({reason})", plan.twice.samples)
        for member in self._present:
            ending = member.recorder.series.gather(Ending.COMPLETE)
            if ending is not Ending.COMPLETE:
                self._left(member, ending)
        self._rounds(plan.twice, plan.samples, everything)

    def _end(self) -> FamilyRecording:
        """Gather evidence of those that are there, and return what there is of all."""
        self._drop_empty()
        ending = Ending.INTERRUPTED if self.stop.is_set() else Ending.COMPLETE
        return self._family(
            [
                member.recorder.end(ending if member.ended is None else member.ended)
                for member in self._members
            ]
        )

    def _drop_empty(self) -> None:
        """Count those without a sample as not watched; raise if nobody is left."""
        for member in [m for m in self._members if m.recorder.series.is_empty]:
            self._drop(member, "no sample could be taken")
        if not self._members:
            raise self._problem or NothingMeasured(
                f"no sample of process {self.master.pid} or its workers"
            )

    def _drop(self, member: _Attached, reason: str) -> None:
        """Leave a process of which there is no sample."""
        self._refused.add(member.identity)
        self._members.remove(member)
        member.leave.close()
        self._skip(member.identity, reason if member.identity.is_alive() else _TOO_SHORT)

    def _family(self, recordings: Sequence[Recording]) -> FamilyRecording:
        return FamilyRecording(
            master=self.master.pid,
            members=tuple(
                Watched(member.role, member.came_after, recording)
                for member, recording in zip(self._members, recordings, strict=True)
            ),
            unwatched=tuple(
                Unwatched(identity.pid, reason) for identity, reason in self._unwatched.items()
            ),
            caveats=tuple(self._caveats()),
        )

    def _caveats(self) -> Iterator[str]:
        if self.work is not None:
            workers = [m.identity for m in self._members if m.role is Role.WORKER]
            yield self.work.assumption(workers)
        if all(member.role is Role.MASTER for member in self._members):
            yield "No Python process below the master was seen: give the pid of the master."

        if self._uncounted:
            yield f"{self._uncounted:,} more processes came and went, and were not watched."

    def _note(self, text: str) -> None:
        if self.observer is not None:
            self.observer.noted(text)


def _so_far(member: _Attached) -> Recording:
    """Return the recording of a process that has a sample."""
    return member.recorder.series.recording(member.ended or Ending.COMPLETE)
