"""Tasks and greenlets of a heap: where they wait, for what, and whether anything can wake them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from leakscope.model.evidence import Site, Step


class Waiter(str, Enum):
    """What can be suspended by itself."""

    TASK = "task"
    GREENLET = "greenlet"


@dataclass(frozen=True, slots=True)
class Numbers:
    """When tasks were made, by the numbers that asyncio gives to the tasks of a process in turn.

    Of those that have one: a task that was given a name has none.
    """

    oldest: int
    median: int
    newest: int


@dataclass(frozen=True, slots=True)
class Earlier:
    """What was seen of the tasks of a process some time before, to tell how old they are."""

    seconds: float
    """So long before, at least."""
    newest: int
    """Number of the newest task that was alive then; 0 if there was none.

    A task that is alive now was alive then exactly if its number is no higher.
    """


@dataclass(frozen=True, slots=True)
class Maker:
    """The call that made tasks: of several the one that made most, ties by place."""

    site: Site
    tasks: int
    """How many of the group it made."""


@dataclass(frozen=True, slots=True)
class TaskGroup:
    """Tasks, or greenlets, that wait at the same place for the same kind of thing."""

    waiter: Waiter
    calls: tuple[Site, ...]
    """Where their coroutines or functions are suspended, the outermost call first."""
    waits_for: str | None
    """Type of what they await: a future, another task. Empty if they await nothing of the kind, and
    so are about to run. None if that is not known: they are no tasks of asyncio."""
    count: int
    retained_bytes: int
    """What would be freed if all of them went away."""
    chain: tuple[Step, ...]
    """From a named root to one of them, held like most."""
    stranded: int
    """How many never finish unless somebody cancels them by name: nothing that can still run leads
    to what they await, and no timeout or group at work will cancel them."""
    numbers: Numbers | None = None
    """None if none of them has a number, or a file does not tell."""
    made_by: Maker | None = None
    """None if nobody kept that, or a file does not tell."""
    older: int | None = None
    """How many were there already at `TaskPicture.earlier`; None if that is not known of any.

    As with `numbers`, of those that have a number.
    """
    younger: int = 0
    """How many were made since."""


@dataclass(frozen=True, slots=True)
class TaskPicture:
    """All tasks and greenlets of a process, at one instant."""

    tasks: int
    """Those that are alive and not finished."""
    greenlets: int
    """Those that are suspended."""
    finished: int
    """Tasks that are alive and have finished."""
    unknown: int
    """Tasks of which a file does not tell where they wait."""
    groups: tuple[TaskGroup, ...]
    """Most tasks first, then by place. At most as many as were asked for."""
    more_groups: int
    """Groups beyond those."""
    pause_ms: float
    newest: int | None = None
    """Number of the newest task that is alive, finished or not: at least so many were made."""
    earlier: Earlier | None = None
    """None if it was looked at only once."""
