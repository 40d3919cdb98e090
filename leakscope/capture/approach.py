"""How one gets into a process, and what can be told of it before.

There are two approaches: through its memory, where that can be read and written (Linux), and by
request, where only the interpreter that runs leakscope can ask the target's (macOS).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

from leakscope.capture.entering import ThroughMemory
from leakscope.capture.entrance import Entrance
from leakscope.capture.process import ProcessIdentity
from leakscope.capture.requesting import ByRequest
from leakscope.model.target import Target


class Approach(Protocol):
    """One way of going about a process, from its pid to an agent in it."""

    def describe(self, identity: ProcessIdentity) -> Target | None:
        """Return what the model keeps of a target, None if only an agent in it can tell.

        Raises as `runtime.describe` does.
        """
        ...

    def is_initialized(self, pid: int) -> bool | None:
        """Return whether the CPython in process `pid` is up, None if that cannot be told.

        Raises `NotPython`, `NotPermitted` or `TargetGone`.
        """
        ...

    def lock(self, identity: ProcessIdentity) -> Callable[[], None]:
        """Keep every other leakscope away from a process; return what lets them in again.

        Raises `AlreadyAttached`, which names the other one.
        """
        ...

    def enter(
        self,
        identity: ProcessIdentity,
        agents: Sequence[Path],
        deadline: float,
        *,
        still_there: Callable[[], None],
    ) -> Entrance:
        """Load one of `agents`, best first; see `session.attach` for what it raises."""
        ...


def approach_to(identity: ProcessIdentity) -> Approach:
    """Return the approach that fits a process's system."""
    return ThroughMemory() if identity.system.reads_memory else ByRequest()
