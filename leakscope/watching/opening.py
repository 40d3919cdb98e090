"""From a pid to a connected capture."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from leakscope.capture.approach import Approach, approach_to
from leakscope.capture.embedded import embedded
from leakscope.capture.interface import Capture
from leakscope.capture.process import ProcessIdentity
from leakscope.capture.readonly.capture import ReadonlyCapture
from leakscope.capture.runtime import target_of
from leakscope.capture.session import Session, attach
from leakscope.capture.versions import PythonVersion, from_hexversion
from leakscope.errors import LeakscopeError
from leakscope.model.target import Target
from leakscope.watching.captures import CaptureChoice, capture_for


class NotReadable(LeakscopeError):
    """A read-only census was asked for where memory cannot be read."""

    hint = "Leave `--capture readonly` out: leakscope then runs a little Python in the target."


@dataclass(frozen=True, slots=True)
class Connected:
    """A target and an open way of measuring it."""

    identity: ProcessIdentity
    target: Target
    capture: Capture
    door: str | None
    """How the target was entered, None if it was not."""
    held_ms: float
    """How long a thread of the target was held for that."""
    session: Session | None = None
    """With the agent, None if there is none."""

    @property
    def description(self) -> str:
        """What was done to the target, in words."""
        interpreter = f"CPython {self.target.python}"
        if self.door is None:
            return f"reading the memory of pid {self.identity.pid} ({interpreter})"
        return (
            f"attached to pid {self.identity.pid} "
            f"({interpreter}, {self.door}, held for {self.held_ms:.1f} ms)"
        )


@contextmanager
def connect_to(
    identity: ProcessIdentity,
    choice: CaptureChoice = CaptureChoice.AUTO,
    approach: Approach | None = None,
    *,
    at_rest: bool = False,
) -> Iterator[Connected]:
    """Attach to a process; detach on leaving, whatever happens.

    `READONLY` does not attach: it takes the right to read the target's memory, and that is all.
    `approach` is another way in than the one that fits the target's system. A target that is
    `at_rest` whenever it is measured is not held up by what works beside it.
    """
    readonly_wanted = choice is CaptureChoice.READONLY
    own_door = None if readonly_wanted else embedded(identity)
    approach = approach or own_door or approach_to(identity)
    told = approach.describe(identity)
    if readonly_wanted:
        if told is None:
            raise NotReadable("here no process can read the memory of another one as a file")
        readonly = ReadonlyCapture(identity, PythonVersion(told.python).minor)
        yield Connected(identity, told, readonly, door=None, held_ms=0.0)
        return
    with attach(identity, approach=approach) as session:
        target = told or target_of(identity, from_hexversion(session.hexversion))
        capture = capture_for(session, choice, at_rest=at_rest)
        try:
            yield Connected(identity, target, capture, session.door, session.held_ms, session)
        finally:
            capture.close()
