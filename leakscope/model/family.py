"""Processes that serve together: a master and its workers, each with a recording of its own."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from leakscope.model.finding import Diagnosis, Finding, Verdict
from leakscope.model.recording import Ending, Recording


class Role(str, Enum):
    """What a process is in its family."""

    MASTER = "master"
    WORKER = "worker"


@dataclass(frozen=True, slots=True)
class Watched:
    """One process of a family and what was recorded of it."""

    role: Role
    came_after: float
    """Seconds from the beginning of the watch to its first sample."""
    recording: Recording

    @property
    def exited(self) -> bool:
        """Whether it exited while it was watched."""
        return self.recording.ending is Ending.TARGET_EXITED


@dataclass(frozen=True, slots=True)
class Unwatched:
    """A process of a family that was seen and not watched."""

    pid: int
    reason: str
    """A clause such as `lived too short to be watched`."""


@dataclass(frozen=True, slots=True)
class FamilyRecording:
    """Everything that one watch saw of a family."""

    master: int
    """Its pid."""
    members: tuple[Watched, ...]
    """The master first, then its workers in the order in which they came; at least one."""
    unwatched: tuple[Unwatched, ...] = ()
    caveats: tuple[str, ...] = ()
    """What the reader must know to read the figures right, one sentence each."""


@dataclass(frozen=True, slots=True)
class Member:
    """One process of a family and what its recording says."""

    role: Role
    came_after: float
    exited: bool
    diagnosis: Diagnosis

    @property
    def pid(self) -> int:
        """Its pid."""
        return self.diagnosis.target.pid

    @property
    def is_told(self) -> bool:
        """Whether its recording allows a verdict."""
        return self.diagnosis.verdict in (Verdict.LEAKING, Verdict.CLEAN)


@dataclass(frozen=True, slots=True)
class Share:
    """How one process takes part in a finding."""

    member: Member
    finding: Finding
    """As it is found there."""


@dataclass(frozen=True, slots=True)
class SharedFinding:
    """One leak, with the processes in which it was found."""

    finding: Finding
    """As it is found where it grows most, with an id of its own."""
    member: Member
    """The process where it grows most."""
    shares: tuple[Share, ...]
    """Where it was found, in the order of the members."""
    others: tuple[Member, ...]
    """Workers that have a verdict, and not this leak."""
    untold: tuple[Member, ...]
    """Workers of which it cannot be told."""
    total: float
    """Objects, or bytes where it is memory that grows, per unit of work: in all processes that were
    there at the same time, at the moment when that is most."""

    @property
    def workers(self) -> tuple[Share, ...]:
        """The shares of workers, without the master's."""
        return tuple(share for share in self.shares if share.member.role is Role.WORKER)

    @property
    def slopes(self) -> tuple[float, float]:
        """Objects, or bytes, per unit of work where it grows least and where it grows most.

        Of the workers that have it; of the master if none has.
        """
        shares = self.workers or self.shares
        slopes = [share.finding.growth.main.estimate for share in shares]
        return min(slopes), max(slopes)


@dataclass(frozen=True, slots=True)
class FamilyDiagnosis:
    """What the recordings of a family say together."""

    verdict: Verdict
    reason: str
    master: int
    unit: str
    """What rates are per: `request`, `second`…"""
    seconds: float
    """From the first sample of any process to the last."""
    members: tuple[Member, ...]
    """The master first, then its workers in the order in which they came."""
    findings: tuple[SharedFinding, ...]
    """Confirmed ones first, then those that take most bytes in all, then most objects."""
    unwatched: tuple[Unwatched, ...]
    caveats: tuple[str, ...]
