"""macOS: there is no /proc, and psutil knows how to ask the kernel.

Only what is said here of sockets and folders is macOS's own, and not psutil's.
"""

from __future__ import annotations

import socket
import struct
import time

import psutil

from leakscope.capture.limits import MemoryBound, host_memory
from leakscope.capture.systems.times import cpu_seconds

_SOL_LOCAL = 0
_LOCAL_PEERPID = 2
"""<sys/un.h>; the `socket` module has no names for them. The option is a `pid_t`."""
_PID = struct.Struct("i")


class Darwin:
    """See `System`."""

    reads_memory = False
    folders: tuple[str, ...] = ("private/tmp", "private/var/tmp")
    """What /tmp and /var/tmp are links to. Not `$TMPDIR`: every user has another one."""

    def started(self, pid: int) -> float | None:
        """Return when it started."""
        try:
            process = psutil.Process(pid)
            return None if process.status() == psutil.STATUS_ZOMBIE else process.create_time()
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            return None

    def now(self) -> float:
        """Return the time of day, as `started` does."""
        return time.time()

    def running(self) -> int:
        """Return 0: only the load average tells, which is not asked here."""
        return 0

    def cpu_seconds(self, pid: int) -> float:
        """Return what its threads have used, exact to a microsecond."""
        return cpu_seconds(pid)

    def thread_group(self, pid: int) -> int:
        """Return `pid`: threads have no ids of that kind."""
        return pid

    def hides(self, pid: int) -> bool:
        """Return False: the kernel tells everybody that a process exists and when it started."""
        del pid
        return False

    def uss(self, pid: int) -> int:
        """Return the private memory; only root is told that of all processes."""
        return int(psutil.Process(pid).memory_full_info().uss)

    def memory_bounds(self, pid: int) -> tuple[MemoryBound, ...]:
        """Return the host's memory: nothing else limits a process there."""
        del pid
        return (host_memory(),)

    def peer(self, connected: socket.socket) -> int:
        """Return the process that connected."""
        found = connected.getsockopt(_SOL_LOCAL, _LOCAL_PEERPID, _PID.size)
        return int(_PID.unpack(found)[0])
