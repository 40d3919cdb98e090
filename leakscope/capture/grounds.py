"""In whose file system a rendezvous folder is made, and by what right.

Through /proc the target's own file system is reached, whichever mount namespace or chroot it lives
in, and what is made there is the target's user's from its first moment. Without /proc there is one
file system for all, and what root has made there is handed over.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextlib import AbstractContextManager, nullcontext
from typing import Protocol

from leakscope.capture.acting import acting_as
from leakscope.capture.permissions import credentials
from leakscope.capture.process import asking
from leakscope.capture.systems import Linux, System


class Ground(Protocol):
    """Where folders for one target can be made."""

    @property
    def system(self) -> System:
        """Tells which folders there are to try, and who has connected."""
        ...

    @property
    def root(self) -> str:
        """The target's root folder, as we name it."""
        ...

    @property
    def spares_s(self) -> float:
        """For how long a folder is spared that a dead controller left and no target has used yet.

        A request that cannot be taken back may be met late: who then misses the file complains.
        """
        ...

    def as_target(self) -> AbstractContextManager[None]:
        """Return a context in which files are made for the target's user; raises `OSError`."""
        ...

    def hand_over(self, folder_fd: int, names: Iterable[str]) -> None:
        """Let the target's user have a folder made in that context, and what it holds.

        Raises `OSError`.
        """
        ...

    def address(self, folder_fd: int, path: str) -> str:
        """Return by which path a socket is bound in a folder that the target calls `path`."""
        ...


class ThroughProc:
    """The target's own file system, reached through /proc."""

    spares_s = 0.0

    def __init__(self, pid: int) -> None:
        """Find out whose process it is; raise `TargetGone` if it has exited."""
        self.system: System = Linux()
        self.root = f"/proc/{pid}/root"
        self._user = credentials(pid)

    def as_target(self) -> AbstractContextManager[None]:
        """Touch files as the target's file system user."""
        return acting_as(self._user.uids[3], self._user.gids[3])

    def hand_over(self, folder_fd: int, names: Iterable[str]) -> None:
        """Do nothing: it is the target's already."""

    def address(self, folder_fd: int, path: str) -> str:
        """Return the folder as this process has it open: the path may lead elsewhere for us."""
        del path
        return f"/proc/self/fd/{folder_fd}"


class Shared:
    """The file system that we and the target have in common."""

    root = "/"
    spares_s = 24 * 3600.0

    def __init__(self, pid: int, system: System) -> None:
        """Find out whose process it is; raise `TargetGone` if it has exited."""
        self.system = system
        with asking(pid) as process:
            self._uid, self._gid = process.uids().effective, process.gids().effective

    def as_target(self) -> AbstractContextManager[None]:
        """Change nothing: until it is handed over, the folder is closed to all but us."""
        return nullcontext()

    def hand_over(self, folder_fd: int, names: Iterable[str]) -> None:
        """Give the target's user what is in the folder, and then the folder."""
        if self._uid == os.geteuid():
            return
        for name in names:
            os.chown(name, self._uid, self._gid, dir_fd=folder_fd, follow_symlinks=False)
        os.chown(folder_fd, self._uid, self._gid)

    def address(self, folder_fd: int, path: str) -> str:
        """Return the path itself: it is the same for us, and nobody else can replace it yet."""
        del folder_fd
        return path
