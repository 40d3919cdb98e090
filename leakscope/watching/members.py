"""Who is watched of a family: processes come, go, and are left again whatever happens."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, field

from leakscope.capture.entering import NotInitialized
from leakscope.capture.process import ProcessIdentity
from leakscope.capture.process_tree import interpreters_below
from leakscope.errors import LeakscopeError
from leakscope.model.family import Role, Unwatched
from leakscope.model.recording import Ending, Recording
from leakscope.watching.recorder import Recorder
from leakscope.watching.series import Series

MOST_WORKERS = 16
"""So many workers are watched at the same time, at most."""
MOST_MEMBERS = 64
"""So many are kept in mind over the whole watch, where workers come and go."""
MOST_UNWATCHED = 100
"""So many that were not watched are listed."""

_TOO_SHORT = "lived too short to be watched"
_TOO_MANY = f"at most {MOST_WORKERS} workers are watched"
_TOO_OFTEN = f"{MOST_MEMBERS} processes have been watched already"

Open = Callable[[ProcessIdentity], AbstractContextManager[Series]]
"""Attaches to a process, and detaches from it on leaving."""


@dataclass(slots=True, eq=False)
class Attached:
    """One process while it is watched, and what is kept of it."""

    role: Role
    since: int
    """The round in which it is sampled first."""
    came_after: float
    """Seconds from the beginning of the watch until it was attached to, 0 in the first round."""
    recorder: Recorder
    leave: ExitStack
    ended: Ending | None = None
    """Why it is watched no more."""

    @property
    def identity(self) -> ProcessIdentity:
        """The process."""
        return self.recorder.series.identity

    @property
    def is_empty(self) -> bool:
        """Whether there is no sample of it."""
        return self.recorder.series.is_empty

    @property
    def recording(self) -> Recording:
        """What is recorded so far of a process that has a sample."""
        return self.recorder.series.recording(self.ended or Ending.COMPLETE)


@dataclass(slots=True)
class Members:
    """A master and the Python processes below it, as far as they are watched.

    Workers that come are attached to when they have been seen twice: what lives shorter is not
    disturbed. All are left when `everything` is closed.
    """

    master: ProcessIdentity
    open: Open
    everything: ExitStack
    told: Callable[[str], None]
    """Is told who came, went or cannot be watched."""
    all: list[Attached] = field(default_factory=list)
    """The master first, then its workers in the order in which they came."""
    problem: LeakscopeError | None = None
    """Why the first process that could not be attached to could not."""
    _unwatched: dict[ProcessIdentity, str] = field(default_factory=dict)
    _unlisted: set[ProcessIdentity] = field(default_factory=set)
    _refused: set[ProcessIdentity] = field(default_factory=set)
    _seen: set[ProcessIdentity] = field(default_factory=set)

    @property
    def present(self) -> list[Attached]:
        """Those that can still be sampled."""
        return [member for member in self.all if member.ended is None]

    @property
    def unwatched(self) -> tuple[Unwatched, ...]:
        """Those that were seen and not watched, as far as they are listed."""
        return tuple(Unwatched(each.pid, reason) for each, reason in self._unwatched.items())

    def look(
        self, number: int, came_after: float, recorder_of: Callable[[Series], Recorder]
    ) -> None:
        """Attach to those that have come by round `number`: at first to all that are there.

        `recorder_of` gives the recorder of a series that was opened.
        """

        def enter(identity: ProcessIdentity, role: Role) -> None:
            self._enter(identity, role, number, came_after, recorder_of)

        if not number:
            enter(self.master, Role.MASTER)
        known = self._refused.union(member.identity for member in self.all)
        found = interpreters_below(self.master, known)
        for worker in found:
            if not number or worker in self._seen:
                enter(worker, Role.WORKER)
        for gone in self._seen.difference(found):
            self._skip(gone, self._unwatched.get(gone, _TOO_SHORT))
        self._seen = set(found).difference(member.identity for member in self.all)

    def end(self, member: Attached, ended: Ending) -> None:
        """Leave a process that can be sampled no more; what was seen of it is kept."""
        member.ended = ended
        member.leave.close()
        way = "has exited" if ended is Ending.TARGET_EXITED else "can no longer be measured"
        self.told(f"{member.role.value} {member.identity.pid} {way}")

    def drop(self, member: Attached, reason: str) -> None:
        """Leave a process of which there is no sample, and count it as not watched."""
        self._refused.add(member.identity)
        self.all.remove(member)
        member.leave.close()
        self._skip(member.identity, reason if member.identity.is_alive() else _TOO_SHORT)

    def caveats(self) -> Iterator[str]:
        """Yield what the reader must know of who was watched."""
        if all(member.role is Role.MASTER for member in self.all):
            yield "No Python process below the master was seen: give the pid of the master."
        if self._unlisted:
            yield f"{len(self._unlisted):,} more processes were seen and not watched."

    def _enter(
        self,
        identity: ProcessIdentity,
        role: Role,
        number: int,
        came_after: float,
        recorder_of: Callable[[Series], Recorder],
    ) -> None:
        """Attach to one process, unless there is no room or something stands in the way."""
        if role is Role.WORKER and self._full():
            self._skip(identity, self._full())
            return
        leave = self.everything.enter_context(ExitStack())
        try:
            series = leave.enter_context(self.open(identity))
            recorder = recorder_of(series)
            series.begin()
        except LeakscopeError as problem:
            leave.close()
            if isinstance(problem, NotInitialized):
                return  # It is on its way; the next look tries again.
            self.problem = self.problem or problem
            self._refused.add(identity)
            self._skip(identity, str(problem) if identity.is_alive() else _TOO_SHORT)
            return
        self._unwatched.pop(identity, None)
        self._unlisted.discard(identity)
        self.all.append(Attached(role, number, came_after if number else 0.0, recorder, leave))

    def _full(self) -> str:
        """Return why no more workers can be watched, empty if there is room."""
        if sum(member.role is Role.WORKER for member in self.present) >= MOST_WORKERS:
            return _TOO_MANY
        return _TOO_OFTEN if len(self.all) >= MOST_MEMBERS else ""

    def _skip(self, identity: ProcessIdentity, reason: str) -> None:
        if identity not in self._unwatched and len(self._unwatched) >= MOST_UNWATCHED:
            self._unlisted.add(identity)
        elif self._unwatched.get(identity) != reason:
            self._unwatched[identity] = reason
            self.told(f"pid {identity.pid} is not watched: {reason}")
