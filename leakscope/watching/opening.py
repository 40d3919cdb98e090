"""From a pid to a connected capture."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from leakscope.capture.approach import approach_to
from leakscope.capture.interface import Capture
from leakscope.capture.process import ProcessIdentity
from leakscope.capture.runtime import target_of
from leakscope.capture.session import attach
from leakscope.capture.versions import from_hexversion
from leakscope.model.target import Target
from leakscope.watching.captures import CaptureChoice, capture_for


@dataclass(frozen=True, slots=True)
class Connected:
    """A target and an open way of measuring it."""

    identity: ProcessIdentity
    target: Target
    capture: Capture
    door: str
    """How the target was entered."""
    held_ms: float
    """How long a thread of the target was held for that."""


@contextmanager
def connect_to(
    identity: ProcessIdentity, choice: CaptureChoice = CaptureChoice.AUTO
) -> Iterator[Connected]:
    """Attach to a process; detach on leaving, whatever happens."""
    told = approach_to(identity).describe(identity)
    with attach(identity) as session:
        target = told or target_of(identity, from_hexversion(session.hexversion))
        capture = capture_for(session, choice)
        try:
            yield Connected(identity, target, capture, session.door, session.held_ms)
        finally:
            capture.close()
