"""Touching files as another user: what is made belongs to that user from its first moment."""

from __future__ import annotations

import ctypes
import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager

_libc = ctypes.CDLL(None)
_WHO = -1


@contextmanager
def acting_as(uid: int, gid: int) -> Iterator[None]:
    """Let this thread touch files as `uid` and `gid`; back to itself at the end.

    Works where root's own user id means nothing (a file system of another user namespace), and
    gives a hostile folder no more rights than its owner has. Raises `PermissionError` when we may
    not act as that user.
    """
    before_uid, before_gid = _libc.setfsuid(_WHO), _libc.setfsgid(_WHO)
    _libc.setfsgid(gid)
    _libc.setfsuid(uid)
    try:
        if (_libc.setfsuid(_WHO), _libc.setfsgid(_WHO)) != (uid, gid):
            raise PermissionError(errno.EPERM, os.strerror(errno.EPERM))
        yield
    finally:
        _libc.setfsuid(before_uid)
        _libc.setfsgid(before_gid)
