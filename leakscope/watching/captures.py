"""Which capture measures a target: frozen copies where they can be had, Python source elsewhere."""

from __future__ import annotations

from enum import Enum

from leakscope.capture.heapstream import SnapshotFailed
from leakscope.capture.interface import Capture, Reading
from leakscope.capture.native import NativeCapture, NotEnoughMemory
from leakscope.capture.portable import PortableCapture
from leakscope.capture.session import Session
from leakscope.errors import LeakscopeError
from leakscope.model.evidence import Evidence, Suspects
from leakscope.model.recording import CaptureKind


class CaptureChoice(str, Enum):
    """What the user asked for."""

    AUTO = "auto"
    NATIVE = "native"
    PORTABLE = "portable"


class NativeNotThere(LeakscopeError):
    """Native capture was asked for, and this installation or target does not have it."""

    hint = "Install leakscope where there is a C compiler, or use --capture portable."


class FrozenCensusCapture:
    """Counts in frozen copies of the heap; looks into the suspects with Python in the target.

    A census holds the target up for the length of one fork. Evidence is gathered about a few
    suspects only, with the interpreter's lock let go between steps.
    """

    def __init__(self, native: NativeCapture, portable: PortableCapture) -> None:
        self._native = native
        self._portable = portable

    @property
    def kind(self) -> CaptureKind:
        """How it measures."""
        return self._native.kind

    @property
    def caveats(self) -> tuple[str, ...]:
        """What readers of its figures must know."""
        return self._native.caveats

    def census(self) -> Reading:
        """Count what is alive now; see `Capture.census`."""
        return self._native.census()

    def gather(self, suspects: Suspects) -> Evidence:
        """Find out who holds the suspects; see `Capture.gather`."""
        return self._portable.gather(suspects)

    def trace_allocations(self, *, on: bool) -> None:
        """Start or stop recording where objects are allocated; see `Capture`."""
        self._portable.trace_allocations(on=on)

    def close(self) -> None:
        """Detach; see `Capture.close`."""
        self._portable.close()


class CarriedOnCapture(PortableCapture):
    """Portable capture of a target whose heap could not be frozen, which it says."""

    def __init__(self, session: Session, reason: LeakscopeError) -> None:
        super().__init__(session)
        self._reason = reason

    @property
    def caveats(self) -> tuple[str, ...]:
        """What readers of its figures must know, the reason first."""
        return (f"The heap could not be frozen: {self._reason}.", *super().caveats)


def capture_for(session: Session, choice: CaptureChoice = CaptureChoice.AUTO) -> Capture:
    """Return the capture to measure the target of `session` with.

    `AUTO` takes frozen copies if the agent can make one now, else Python source. Raises
    `NativeNotThere` if frozen copies were asked for and this agent cannot make them, and what
    keeps them from being made if they fail.
    """
    if choice is CaptureChoice.PORTABLE:
        return PortableCapture(session)
    if session.kind != "native-agent":
        if choice is CaptureChoice.NATIVE:
            raise NativeNotThere("the native agent is not there")
        return PortableCapture(session)
    portable = PortableCapture(session)
    native = NativeCapture(session, explain=lambda _heap, suspects: portable.gather(suspects))
    try:
        native.census()
    except (SnapshotFailed, NotEnoughMemory) as problem:
        if choice is CaptureChoice.NATIVE:
            raise
        return CarriedOnCapture(session, problem)
    return FrozenCensusCapture(native, portable)
