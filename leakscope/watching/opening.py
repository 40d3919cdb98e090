"""From a pid to a connected capture."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from leakscope.capture.interface import Capture
from leakscope.capture.portable import PortableCapture
from leakscope.capture.process import ProcessIdentity, identify
from leakscope.capture.runtime import describe
from leakscope.capture.session import attach
from leakscope.model.target import Target


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
def connect(pid: int) -> Iterator[Connected]:
    """Attach to process `pid`; detach on leaving, whatever happens."""
    with connect_to(identify(pid)) as connected:
        yield connected


@contextmanager
def connect_to(identity: ProcessIdentity) -> Iterator[Connected]:
    """Attach to a process that was identified before."""
    target = describe(identity)
    with attach(identity) as session:
        capture = PortableCapture(session)
        try:
            yield Connected(identity, target, capture, session.door, session.held_ms)
        finally:
            capture.close()
