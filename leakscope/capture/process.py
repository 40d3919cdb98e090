"""Which process is meant: a pid together with the moment it started.

The kernel gives a pid away again as soon as its process is gone, so a pid alone is not a target.
Every action on a target verifies its identity first.
"""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import psutil

from leakscope.errors import LeakscopeError

_HAS_PROC = sys.platform.startswith("linux")


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

    def verify(self) -> None:
        """Return if this process still runs.

        Raises `TargetGone` if it exited (a zombie has exited) and `PidReused` if its pid belongs
        to another process by now.
        """
        found = _started(self.pid)
        if found is None:
            raise TargetGone(f"process {self.pid} has exited")
        if not _same_moment(found, self.started):
            raise PidReused(f"process {self.pid} has exited and its pid belongs to another process")

    def is_alive(self) -> bool:
        """Return whether this process still runs; a zombie does not."""
        found = _started(self.pid)
        return found is not None and _same_moment(found, self.started)


def identify(pid: int) -> ProcessIdentity:
    """Return the identity of the process that has `pid` now.

    Raises `NoSuchProcess` if there is none, if it has exited and only waits to be collected by
    its parent, if `pid` is the id of a thread, or if /proc hides it from this user.
    """
    started = _started(pid) if pid > 0 else None
    if started is None:
        raise _absent(pid)
    owner = _thread_group(pid)
    if owner != pid:
        raise NoSuchProcess(
            f"{pid} is a thread of process {owner}, not a process",
            hint=f"Give the pid of its process: {owner}.",
        )
    return ProcessIdentity(pid, started)


def _absent(pid: int) -> NoSuchProcess:
    if pid > 0 and psutil.pid_exists(pid):
        if _HAS_PROC and not os.access(f"/proc/{pid}/stat", os.R_OK):
            return NoSuchProcess(
                f"process {pid} exists, but /proc hides it from this user",
                hint="Run as its owner or as root: /proc is mounted with hidepid.",
            )
        return NoSuchProcess(
            f"process {pid} has exited; its parent has not collected it yet",
            hint="It is a zombie and has no memory left: start the service again.",
        )
    return NoSuchProcess(f"there is no process {pid}")


def _started(pid: int) -> float | None:
    """Return when the running process `pid` started, None if there is none or it is a zombie."""
    if not _HAS_PROC:
        return _started_portably(pid)
    try:
        stat = Path(f"/proc/{pid}/stat").read_bytes()
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return None
    # The name may hold spaces and brackets: the fixed fields start behind its last bracket.
    fields = stat[stat.rindex(b")") + 2 :].split()
    if fields[0] in (b"Z", b"X", b"x"):
        return None
    return _boot_time() + int(fields[19]) / os.sysconf("SC_CLK_TCK")


def _started_portably(pid: int) -> float | None:
    try:
        process = psutil.Process(pid)
        return None if process.status() == psutil.STATUS_ZOMBIE else process.create_time()
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return None


@cache
def _boot_time() -> float:
    """Return when the machine booted, read once: a stepped clock must not change identities."""
    return psutil.boot_time()


def _same_moment(one: float, other: float) -> bool:
    return abs(one - other) < 0.005


def _thread_group(pid: int) -> int:
    if not _HAS_PROC:
        return pid
    try:
        status = Path(f"/proc/{pid}/status").read_bytes()
    except OSError:
        return pid
    return next((int(v) for k, v in _lines(status) if k == b"Tgid"), pid)


def _lines(status: bytes) -> list[tuple[bytes, bytes]]:
    return [(k, v.strip()) for k, _, v in (line.partition(b":") for line in status.splitlines())]
