"""Which process is meant: a pid together with the moment it started.

The kernel gives a pid away again as soon as its process is gone, so a pid alone is not a target.
Every action on a target verifies its identity first.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import psutil

from leakscope.capture.systems import LOCAL, System
from leakscope.errors import LeakscopeError


class NoSuchProcess(LeakscopeError):
    """No running process has this pid."""

    hint = "List the Python processes that you can see with `pgrep -af python`."


class TargetGone(LeakscopeError):
    """The target exited after it was identified."""

    hint = "Start the service again and give its new pid."


class PidReused(LeakscopeError):
    """The target exited, and its pid belongs to another process now."""

    hint = "Start the service again and give its new pid."


@dataclass(frozen=True, slots=True)
class ProcessIdentity:
    """One process, told apart from any later one with the same pid."""

    pid: int
    started: float
    """When it started, in seconds since the epoch; exact to one kernel tick (10 ms)."""
    system: System = field(default=LOCAL, repr=False, compare=False)
    """By whose means it is looked at."""

    def verify(self) -> None:
        """Return if this process still runs.

        Raises `TargetGone` if it exited (a zombie has exited) and `PidReused` if its pid belongs
        to another process by now.
        """
        found = self.system.started(self.pid)
        if found is None:
            raise TargetGone(f"process {self.pid} has exited")
        if not _same_moment(found, self.started):
            raise PidReused(f"process {self.pid} has exited and its pid belongs to another process")

    def is_alive(self) -> bool:
        """Return whether this process still runs; a zombie does not."""
        found = self.system.started(self.pid)
        return found is not None and _same_moment(found, self.started)


def identify(pid: int, system: System = LOCAL) -> ProcessIdentity:
    """Return the identity of the process that has `pid` now.

    Raises `NoSuchProcess` if there is none, if it has exited and only waits to be collected by
    its parent, if `pid` is the id of a thread, or if /proc hides it from this user.
    """
    started = system.started(pid) if pid > 0 else None
    if started is None:
        raise _absent(pid, system)
    owner = system.thread_group(pid)
    if owner != pid:
        raise NoSuchProcess(
            f"{pid} is a thread of process {owner}, not a process",
            hint=f"Give the pid of its process: {owner}.",
        )
    return ProcessIdentity(pid, started, system)


@contextmanager
def asking(pid: int) -> Iterator[psutil.Process]:
    """Yield the process to ask psutil about; raise `TargetGone` if it turns out to have exited."""
    try:
        yield psutil.Process(pid)
    except psutil.NoSuchProcess as gone:
        raise TargetGone(f"process {pid} has exited") from gone


def connections_of(process: psutil.Process, kind: str) -> list[Any]:
    """Return a process's sockets of a kind as psutil tells them; it has two names for that.

    Raises what psutil does.
    """
    ask = getattr(process, "net_connections", None) or process.connections
    return list(ask(kind=kind))


def _absent(pid: int, system: System) -> NoSuchProcess:
    if pid > 0 and psutil.pid_exists(pid):
        if system.hides(pid):
            return NoSuchProcess(
                f"process {pid} exists, but /proc hides it from this user",
                hint="Run as its owner or as root: /proc is mounted with hidepid.",
            )
        return NoSuchProcess(
            f"process {pid} has exited; its parent has not collected it yet",
            hint="It is a zombie and has no memory left: start the service again.",
        )
    return NoSuchProcess(f"there is no process {pid}")


def _same_moment(one: float, other: float) -> bool:
    return abs(one - other) < 0.005
