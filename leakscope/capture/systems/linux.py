"""Linux: all there is to know of a process is in /proc."""

from __future__ import annotations

import os
import re
import socket
import struct
import time
from functools import cache
from pathlib import Path

import psutil

from leakscope.capture.limits import MemoryBound, memory_bounds
from leakscope.capture.systems.times import cpu_seconds

_PRIVATE = re.compile(rb"^Private_(?:Clean|Dirty|Hugetlb): +(\d+) kB", re.MULTILINE)
_LOAD = Path("/proc/loadavg")
_CREDENTIALS = struct.Struct("3i")
"""`struct ucred`: process, user, group."""
_CPUCLOCK_SCHED = 2
"""<linux/posix-timers.h>: the clock counts what the scheduler says, user and system time."""


class Linux:
    """See `System`."""

    reads_memory = True
    folders: tuple[str, ...] = ("tmp", "dev/shm", "var/tmp", "run")

    def started(self, pid: int) -> float | None:
        """Return when it started, exact to one kernel tick (10 ms)."""
        try:
            stat = Path(f"/proc/{pid}/stat").read_bytes()
        except (FileNotFoundError, ProcessLookupError, PermissionError):
            return None
        # The name may hold spaces and brackets: the fixed fields start behind its last bracket.
        fields = stat[stat.rindex(b")") + 2 :].split()
        if fields[0] in (b"Z", b"X", b"x"):
            return None
        return _boot_time() + int(fields[19]) / os.sysconf("SC_CLK_TCK")

    def now(self) -> float:
        """Return the time since boot on the scale of `started`: wall clocks are stepped."""
        return _boot_time() + time.clock_gettime(time.CLOCK_BOOTTIME)

    def running(self) -> int:
        """Return the fourth field of /proc/loadavg: `running/all`."""
        try:
            return int(_LOAD.read_text().split()[3].partition("/")[0])
        except (OSError, ValueError, IndexError):
            return 0

    def cpu_seconds(self, pid: int) -> float:
        """Return it exactly; to one kernel tick (10 ms) where the clock of a process is not kept.

        The clock is that of `clock_getcpuclockid`, which any user may read.
        """
        try:
            return time.clock_gettime(~pid << 3 | _CPUCLOCK_SCHED)
        except OSError:
            return cpu_seconds(pid)

    def thread_group(self, pid: int) -> int:
        """Return the process that `pid` is a thread of."""
        try:
            status = Path(f"/proc/{pid}/status").read_bytes()
        except OSError:
            return pid
        return next((int(v) for k, v in _lines(status) if k == b"Tgid"), pid)

    def hides(self, pid: int) -> bool:
        """Return whether /proc is mounted with hidepid and `pid` is not ours."""
        return not os.access(f"/proc/{pid}/stat", os.R_OK)

    def uss(self, pid: int) -> int:
        """Return the private memory; the kernel walks the page tables for that."""
        rollup = Path(f"/proc/{pid}/smaps_rollup").read_bytes()
        return 1024 * sum(int(kilobytes) for kilobytes in _PRIVATE.findall(rollup))

    def memory_bounds(self, pid: int) -> tuple[MemoryBound, ...]:
        """Return the bounds of its control groups, its resource limits and the host."""
        return memory_bounds(pid)

    def peer(self, connected: socket.socket) -> int:
        """Return the peer as our pid namespace knows it."""
        found = connected.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
        process, _user, _group = _CREDENTIALS.unpack(found)
        return int(process)


@cache
def _boot_time() -> float:
    """Return when the machine booted, read once: a stepped clock must not change identities."""
    return psutil.boot_time()


def _lines(status: bytes) -> list[tuple[bytes, bytes]]:
    return [(k, v.strip()) for k, _, v in (line.partition(b":") for line in status.splitlines())]
