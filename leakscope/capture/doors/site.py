"""What the doors know of a target, gathered before anything is done to it."""

from __future__ import annotations

import platform
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from leakscope.capture.doors.interface import NoDoor
from leakscope.capture.doors.slot import TextSlot, place_text
from leakscope.capture.doors.text import running_file
from leakscope.capture.elf import Image
from leakscope.capture.memory import Mapping, Memory, mappings
from leakscope.capture.permissions import require_access
from leakscope.capture.runtime import cpython_image
from leakscope.capture.threads import has_shadow_stack


@dataclass(slots=True)
class Site:
    """One target, about to be entered."""

    pid: int
    memory: Memory
    """Writable."""
    python: Image
    """The image that holds the interpreter."""
    minor: tuple[int, int]
    """Python's version, for example `(3, 12)`."""
    loader: str
    """Path, in the target's file system, of the file that is to run; empty until it is there."""
    is_native: bool
    """Whether that has the dynamic linker load something."""
    _slot: TextSlot | None = field(default=None, init=False)

    def slot(self) -> TextSlot:
        """Return where a text that runs the file lies in memory; put there when first asked for."""
        if self._slot is None:
            self._slot = place_text(self.memory, self.mappings(), running_file(self.loader))
        return self._slot

    @property
    def placed(self) -> TextSlot | None:
        """The text's place in memory, None if no door has asked for it."""
        return self._slot

    def mappings(self) -> tuple[Mapping, ...]:
        """Return the map of its memory as it is now."""
        return mappings(self.pid)

    def require_callable(self) -> None:
        """Raise `NoDoor` where calls cannot be made on a stopped thread."""
        machine = platform.machine()
        if machine != "x86_64":
            raise NoDoor(
                f"calls on a stopped thread are not written for {machine}",
                hint=f"On {machine} leakscope needs a target on Python 3.14 or later, or "
                "`--capture readonly`.",
            )
        if has_shadow_stack(self.pid):
            raise NoDoor("the target runs with a shadow stack, which forbids calls on a thread")


@contextmanager
def surveyed(pid: int, minor: tuple[int, int], *, is_native: bool) -> Iterator[Site]:
    """Open a target's memory and find its interpreter; the file that is to run is not there yet.

    Raises `NotPermitted`, `NotPython`, `TargetGone` or `MalformedImage`.
    """
    require_access(pid)
    with Memory(pid, writable=True) as memory:
        yield Site(pid, memory, cpython_image(memory), minor, "", is_native)
