"""Two leakscopes must not mix: a file to lock, where a process has no folder in /proc to lock.

It lies where every user finds it and is named for the target. What counts is the lock, which the
kernel gives back when its holder ends in whatever way: a file that a killed leakscope left keeps
nobody out, and the next one removes it.
"""

from __future__ import annotations

import fcntl
import os
import re
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path

from leakscope.capture.attached import taken
from leakscope.capture.process import ProcessIdentity
from leakscope.capture.rendezvous import leads_to
from leakscope.errors import LeakscopeError

_OURS = re.compile(r"\.leakscope-\d{1,10}-\d{1,12}")
_FLAGS = os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_PID_DIGITS = 10
_HELD_FOR_S = 0.2
"""Who looks whether a file is left over holds it too, for much less than this."""


class NoLockFile(LeakscopeError):
    """Whether another leakscope is attached cannot be found out."""

    hint = "Remove that file if you do not know it, and try again."


def lock(identity: ProcessIdentity, folder: Path) -> Callable[[], None]:
    """Keep every other leakscope away from a process; return what lets them in again.

    Raises `AlreadyAttached`, which names the other one, or `NoLockFile`.
    """
    path = folder / f".leakscope-{identity.pid}-{identity.started:.0f}"
    deadline = time.monotonic() + _HELD_FOR_S
    while True:
        fd = _opened(path)
        if _is_locked(fd) and leads_to(str(path), fd):
            _sign(fd)
            _sweep(folder, path.name)
            return partial(_release, path, fd)
        holder = _signed_by(fd)
        os.close(fd)
        if time.monotonic() > deadline:
            raise taken(identity.pid, holder)
        time.sleep(_HELD_FOR_S / 20)


def _opened(path: Path) -> int:
    try:
        with suppress(PermissionError):
            return os.open(path, os.O_RDWR | os.O_CREAT | _FLAGS, 0o644)
        return os.open(path, os.O_RDONLY | _FLAGS)  # another user's: it can be locked all the same
    except OSError as error:
        raise NoLockFile(f"cannot use {path}: {error.strerror}") from error


def _is_locked(fd: int) -> bool:
    """Lock a file; return whether that worked."""
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _sign(fd: int) -> None:
    """Write down who holds the lock, for those who come later."""
    with suppress(OSError):
        os.ftruncate(fd, 0)
        os.pwrite(fd, str(os.getpid()).encode(), 0)


def _signed_by(fd: int) -> int | None:
    with suppress(OSError):
        signed = os.pread(fd, _PID_DIGITS, 0)
        return int(signed) if signed.isdigit() else None
    return None


def _sweep(folder: Path, own: str) -> None:
    """Remove the files of leakscopes that are dead: those that nobody has locked."""
    for path in folder.iterdir():
        if path.name == own or not _OURS.fullmatch(path.name):
            continue
        with suppress(OSError):
            fd = os.open(path, os.O_RDONLY | _FLAGS)
            if _is_locked(fd) and leads_to(str(path), fd):
                _release(path, fd)
            else:
                os.close(fd)


def _release(path: Path, fd: int) -> None:
    """Remove the file before the lock is given back, so that nobody else's is removed."""
    with suppress(OSError):
        path.unlink()
    os.close(fd)
