"""A target that exits and is started again is followed: the series starts over with the new one."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
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
        """Return the recording of the one that was watched longest.

        But one that exited and leaks by what was seen of it is the one to tell of, and its
        successor is only named. Raises as `record` does for the first.
        """
        begin = self.clock()
        origins = origins_of(identity)
        part = self.record(identity, plan)
        longest = part.recording
        for _ in range(MOST_RESTARTS):
            left = plan.duration - (self.clock() - begin)
            over = part.recording.ending is not Ending.TARGET_EXITED or left < _SHORTEST_S
            if over or origins is None or self.stop.is_set() or self._is_ours(origins):
                return longest
            pid = part.recording.target.pid
            self.told(f"pid {pid} has exited; looking for its successor (--no-follow forbids it)")
            succession = self._await(origins, part.seen_alive, min(self.within, left))
            found = succession.found
            if found is None:
                return _noted(longest, self._nobody(pid, succession))
            back = f"It exited and came back as pid {found.pid}"
            if diagnose(part.recording).verdict is Verdict.LEAKING:
                return _noted(part.recording, f"{back}, by {succession.sure_by}.")
            self.told(f"it came back as pid {found.pid}, by {succession.sure_by}: starting over")
            before, origins = origins, origins_of(found)
            try:
                self._await_counter()
                part = self.record(found, _rest(plan, plan.duration - (self.clock() - begin)))
            except LeakscopeError as problem:
                return _noted(longest, f"{back}, which could not be watched: {problem}.")
            longest = _longer(longest, part.recording, back, succession.sure_by)
            origins = origins or before
        return _noted(longest, f"It was started again more than {MOST_RESTARTS} times.")

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

    def _is_ours(self, origins: Origins) -> bool:
        return origins.parent is not None and origins.parent.pid == self.ours

    def _nobody(self, pid: int, succession: Succession) -> str:
        if succession.rivals:
            pids = ", ".join(map(str, succession.rivals))
            text = f"Which process took the place of pid {pid} is not sure (it may be {pids}): none"
            text += " was followed."
        else:
            text = f"No successor of pid {pid} came within {self.within:g} seconds."
        self.told(text)
        return text

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
    return Plan(every=min(plan.every, duration / (FEWEST_SAMPLES - 1)), duration=duration)


def _longer(first: Recording, second: Recording, back: str, sure_by: str) -> Recording:
    """Return the longer of two recordings, with a word on the other."""
    if second.seconds > first.seconds:
        pid, seconds = first.target.pid, first.seconds
        return _noted(
            second,
            f"The watch began with pid {pid}, which exited after {seconds:.0f} seconds and came "
            f"back as pid {second.target.pid}, by {sure_by}; this is of the latter alone.",
        )
    return _noted(first, f"{back}, by {sure_by}, which was watched for {second.seconds:.0f} s.")


def _noted(recording: Recording, caveat: str) -> Recording:
    return replace(recording, caveats=(*recording.caveats, caveat))
