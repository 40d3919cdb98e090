"""A target that exits and is started again is followed: the series starts over with the new one."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from threading import Event

from leakscope.analysis.diagnose import diagnose
from leakscope.capture.process import ProcessIdentity
from leakscope.capture.successor import Origins, Succession, origins_of, successor_of
from leakscope.errors import LeakscopeError
from leakscope.model.finding import Verdict
from leakscope.model.recording import Ending, Recording
from leakscope.watching.recorder import FEWEST_SAMPLES, Meter, Plan

COMES_WITHIN_S = 5.0
"""For so long after its exit the successor of a target is waited for."""
MOST_RESTARTS = 5
"""A service that is started again more often than this in one watch is followed no more."""
_SETTLED_S = 0.5
"""A successor must have been there alone for so long."""
_LOOK_EVERY_S = 0.1
_SHORTEST_S = 1.0
"""With less time left there is nothing to start over for."""


@dataclass(frozen=True, slots=True)
class Part:
    """The recording of one process of several that followed each other."""

    recording: Recording
    seen_alive: float
    """When it was last seen to run, as its system tells when processes start."""


@dataclass(slots=True)
class Follower:
    """Records a target, and what a supervisor starts in its place if it exits."""

    record: Callable[[ProcessIdentity, Plan], Part]
    """Attaches to a process, records it and detaches from it."""
    meter: Meter | None = None
    told: Callable[[str], None] = lambda _line: None
    """Is told of what happens."""
    stop: Event = field(default_factory=Event)
    """Set it to end early with what there is."""
    clock: Callable[[], float] = time.monotonic
    within: float = COMES_WITHIN_S
    ours: int = field(default_factory=os.getpid)
    """The process whose children nobody starts again: this one."""

    def follow(self, identity: ProcessIdentity, plan: Plan) -> Recording:
        """Return the recording of the one that was watched longest, or that leaks.

        The successor of one that leaks by what was seen of it is only named. Raises as `record`
        does for the first.
        """
        end = self.clock() + plan.duration
        origins = origins_of(identity)
        part = self.record(identity, plan)
        best, story = part.recording, list[str]()
        restarts = 0
        while origins is not None and self._may_follow(part, origins, end):
            if restarts == MOST_RESTARTS:
                story.append(f"It exited more than {MOST_RESTARTS} times.")
                break
            gone = part.recording
            succession = self._successor(gone.target.pid, origins, part.seen_alive, end)
            story.append(_step(gone, succession, self.within))
            self.told(story[-1])
            found = succession.found
            if found is None or diagnose(gone).verdict is Verdict.LEAKING:
                break
            origins = origins_of(found)
            try:
                self._await_counter()
                part = self.record(found, _rest(plan, end - self.clock()))
            except LeakscopeError as problem:
                story.append(f"Pid {found.pid} was not watched: {problem}.")
                break
            best = max(best, part.recording, key=_weight)
            restarts += 1
        return _told(best, story)

    def _may_follow(self, part: Part, origins: Origins, end: float) -> bool:
        """Return whether there is somebody to look for, and time for it."""
        ours = origins.parent is not None and origins.parent.pid == self.ours
        exited = part.recording.ending is Ending.TARGET_EXITED
        in_time = end - self.clock() >= _SHORTEST_S and not self.stop.is_set()
        return exited and in_time and not ours

    def _successor(self, pid: int, origins: Origins, since: float, end: float) -> Succession:
        self.told(f"pid {pid} has exited; looking for its successor (--no-follow forbids it)")
        return self._await(origins, since, min(self.within, end - self.clock()))

    def _await(self, origins: Origins, since: float, within: float) -> Succession:
        """Wait for the one successor, until it has been there alone for a moment."""
        deadline = self.clock() + within
        candidate: ProcessIdentity | None = None
        settled = 0.0
        while True:
            look = successor_of(origins, since)
            now = self.clock()
            if look.rivals:
                return look
            if look.found != candidate:
                candidate, settled = look.found, now + _SETTLED_S
            if candidate is not None and now >= settled:
                return look
            if now > deadline and candidate is None:
                return look
            if self.stop.wait(_LOOK_EVERY_S):
                return Succession()

    def _await_counter(self) -> None:
        """Wait until the work counter is served again; `record` says so if it is not."""
        deadline = self.clock() + self.within
        while self.meter is not None and not _is_served(self.meter) and self.clock() < deadline:
            if self.stop.wait(_LOOK_EVERY_S):
                return


def _is_served(meter: Meter) -> bool:
    try:
        meter.read()
    except LeakscopeError:
        return False
    return True


def _rest(plan: Plan, left: float) -> Plan:
    """Return the plan for the time that is left, with as many samples as a verdict takes."""
    duration = max(left, _SHORTEST_S)
    every = min(plan.every, math.floor(100 * duration / (FEWEST_SAMPLES - 1)) / 100)
    return Plan(every=every, duration=round(duration, 1))


def _step(gone: Recording, succession: Succession, within: float) -> str:
    """Return what became of a process that exited, in one sentence."""
    pid, found = gone.target.pid, succession.found
    if found is not None:
        return (
            f"Pid {pid} exited when it had been watched for {gone.seconds:.0f} s, and came back as "
            f"pid {found.pid}, by {succession.sure_by}."
        )
    if succession.rivals:
        pids = ", ".join(map(str, succession.rivals))
        return (
            f"Which process took the place of pid {pid} is not sure (it may be {pids}): none was "
            "followed."
        )
    return f"No successor of pid {pid} came within {within:g} seconds."


def _weight(recording: Recording) -> tuple[bool, float]:
    """Return what makes a recording the one to tell: a leak in it, then its length."""
    return diagnose(recording).verdict is Verdict.LEAKING, recording.seconds


def _told(recording: Recording, story: Sequence[str]) -> Recording:
    """Return a recording with what happened, and which of several processes it is of."""
    came_back = any("came back as" in line for line in story)
    which = (f"This report is of pid {recording.target.pid} alone.",) if came_back else ()
    return replace(recording, caveats=(*recording.caveats, *story, *which))
