"""What is asked of an operating system about any of its processes."""

from __future__ import annotations

import socket
from typing import Protocol

from leakscope.capture.limits import MemoryBound


class System(Protocol):
    """The means of one operating system. A process that is gone is no error here."""

    @property
    def reads_memory(self) -> bool:
        """Whether memory, threads and files of other processes can be looked at (/proc).

        All ways into a process need that but one: to ask its interpreter.
        """
        ...

    @property
    def folders(self) -> tuple[str, ...]:
        """Folders that any user may make files in, below the root, in the order to try them.

        None is reached through a symbolic link.
        """
        ...

    def started(self, pid: int) -> float | None:
        """Return when the running process `pid` started, None if there is none or it is a zombie.

        Seconds since the epoch, always the same for the same process.
        """
        ...

    def now(self) -> float:
        """Return what `started` would tell of a process that starts now."""
        ...

    def running(self) -> int:
        """Return how many threads run or are ready to, the caller's included; 0 if nobody tells."""
        ...

    def cpu_seconds(self, pid: int) -> float:
        """Return the processor time that process `pid` has used, with all threads it ever had.

        Raises `OSError` or a `psutil.Error` if there is no such process.
        """
        ...

    def thread_group(self, pid: int) -> int:
        """Return the process that `pid` is a thread of: itself if it is a process."""
        ...

    def hides(self, pid: int) -> bool:
        """Return whether process `pid` exists and this user is not told anything of it."""
        ...

    def uss(self, pid: int) -> int:
        """Return the bytes of memory that process `pid` shares with no other.

        Raises `OSError` or a `psutil.Error` if this user may not know.
        """
        ...

    def memory_bounds(self, pid: int) -> tuple[MemoryBound, ...]:
        """Return every bound on the memory of process `pid` that can be read."""
        ...

    def peer(self, connected: socket.socket) -> int:
        """Return the process at the other end of a connected unix socket.

        Raises `OSError` if that cannot be told: it may have gone.
        """
        ...
