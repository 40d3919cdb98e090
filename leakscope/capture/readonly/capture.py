"""Measuring a target by reading its memory: for those who may not, or will not, run code in it.

It takes the right to read the target's memory and nothing else. The target does not notice: no
thread of it is stopped, nothing is written, nothing is left behind.
"""

from __future__ import annotations

import time

from leakscope.capture.elf import MalformedImage
from leakscope.capture.interface import Reading
from leakscope.capture.memory import Memory, MemoryUnreadable
from leakscope.capture.permissions import require_access
from leakscope.capture.process import ProcessIdentity
from leakscope.capture.readonly.census import Counted, count
from leakscope.capture.readonly.layout import Builtins, HeapNotUnderstood, layout_of
from leakscope.capture.readonly.regions import survey
from leakscope.capture.runtime import cpython_image
from leakscope.model.evidence import Evidence, Suspects
from leakscope.model.recording import CaptureKind

CENSUS_WITHIN_S = 600.0
_WORTH_A_WORD_S = 1.0


class ReadonlyCapture:
    """A target measured from outside. Not for use from several threads."""

    def __init__(self, identity: ProcessIdentity, minor: tuple[int, int]) -> None:
        """Measure a process that runs CPython `minor`, for example `(3, 12)`.

        Raises `HeapNotUnderstood`, `NotPython`, `NotPermitted`, `TargetGone` or `PidReused`.
        """
        self._identity = identity
        self._layout = layout_of(minor)
        identity.verify()
        require_access(identity.pid)
        try:
            with Memory(identity.pid) as memory:
                self._builtins = Builtins.of(cpython_image(memory))
                self._builtins.verify(memory)
        except (MalformedImage, MemoryUnreadable) as error:
            identity.verify()
            raise HeapNotUnderstood(f"process {identity.pid}: {error}") from error
        self._longest_s = 0.0
        self._caveats: list[str] = []

    @property
    def kind(self) -> CaptureKind:
        """How it measures."""
        return CaptureKind.READONLY

    @property
    def caveats(self) -> tuple[str, ...]:
        """What readers of its figures must know."""
        told = [
            "Read-only census: only objects that gc tracks are counted, so not numbers, texts and "
            "byte strings; what holds them cannot be named.",
            "Bytes are those of the objects and of their tables, without the local variables of "
            "frames and the buffers of extension types.",
            *self._caveats,
        ]
        if self._longest_s > _WORTH_A_WORD_S:
            told.append(
                f"The target ran on while it was read, which took up to {self._longest_s:.1f} s."
            )
        return tuple(told)

    def census(self) -> Reading:
        """Count what is alive now; see `Capture.census`.

        Raises `TargetGone`, `PidReused`, `CensusTooSlow`, or `HeapNotUnderstood` when the process
        has become another program.
        """
        began = time.monotonic()
        self._identity.verify()
        try:
            counted = self._count(began + CENSUS_WITHIN_S)
        except MemoryUnreadable:
            self._identity.verify()
            raise
        self._identity.verify()
        self._longest_s = max(self._longest_s, time.monotonic() - began)
        if counted.types_left_out:
            self._caveat("There are too many types: objects of the last ones are not counted.")
        return Reading(counted.types, counted.containers, pause_ms=0.0)

    def gather(self, suspects: Suspects) -> Evidence:
        """Return nothing: who holds what cannot be told from outside."""
        del suspects
        return Evidence()

    def trace_allocations(self, *, on: bool) -> None:
        """Do nothing: memory does not tell where it was allocated."""

    def sample_allocations(self, *, on: bool) -> None:
        """Do nothing: it takes code in the target."""

    def close(self) -> None:
        """Do nothing: between two censuses nothing is held."""

    def _count(self, deadline: float) -> Counted:
        with Memory(self._identity.pid) as memory:
            self._builtins.verify(memory)
            found = survey(memory.pid)
            if found.reserved:
                self._caveat("Memory reserved by the terabyte is not looked into.")
            return count(memory, found, self._layout, self._builtins, deadline=deadline)

    def _caveat(self, text: str) -> None:
        if text not in self._caveats:
            self._caveats.append(text)
