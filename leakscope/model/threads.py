"""The threads of a process: what they run, and what the kernel says of them."""

from __future__ import annotations

from dataclasses import dataclass

from leakscope.model.evidence import Site


@dataclass(frozen=True, slots=True)
class ThreadGroup:
    """Threads that run the same calls, or threads of C code that are called alike."""

    calls: tuple[Site, ...]
    """Of Python, outermost first. Empty for threads that run none."""
    names: tuple[str, ...]
    """What they are called, each name once, in order of their ids: by `threading`, or else by the
    kernel."""
    native_ids: tuple[int, ...]
    """What the kernel calls them, ascending, where that is known."""
    threads: int
    running: int | None
    """How many of them ran, or waited for a processor or a disk, when they were looked at; None if
    that is not known."""
    cpu_seconds: float | None
    """Processor time that they have used together; None if that is not known."""


@dataclass(frozen=True, slots=True)
class ThreadPicture:
    """All threads of a process, at one instant."""

    threads: int
    python: int
    """Those that the interpreter knows."""
    groups: tuple[ThreadGroup, ...]
    """Those that run Python first, then most threads first, then by calls and names. At most as
    many as were asked for."""
    more_groups: int
    """Groups beyond those."""
    sees_all: bool
    """Whether threads that the interpreter does not know were looked for."""
    tells_calls: bool
    """Whether it is known what threads run."""
    pause_ms: float
