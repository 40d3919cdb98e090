"""The tasks of a heap: where they wait, for what, and whether anything can wake them."""

from __future__ import annotations

from dataclasses import dataclass

from leakscope.model.evidence import Site, Step


@dataclass(frozen=True, slots=True)
class TaskGroup:
    """Tasks that wait at the same place for the same kind of thing."""

    calls: tuple[Site, ...]
    """Where their coroutines are suspended, the outermost call first."""
    waits_for: str
    """Type of what they await: a future, another task. Empty if it awaits nothing of the kind: it
    is about to run."""
    tasks: int
    retained_bytes: int
    """What would be freed if all of them went away."""
    chain: tuple[Step, ...]
    """From a named root to one of them, held like most."""
    stranded: int | None
    """How many can never finish, since nothing else leads to what they await. None if that was not
    looked at."""


@dataclass(frozen=True, slots=True)
class TaskPicture:
    """All tasks of a process, at one instant."""

    tasks: int
    """Those that are alive and not finished."""
    finished: int
    """Those that are alive and have finished."""
    unknown: int
    """Those of which a file does not tell where they wait."""
    groups: tuple[TaskGroup, ...]
    """Most tasks first, then by place. At most as many as were asked for."""
    more_groups: int
    """Groups beyond those."""
    pause_ms: float
