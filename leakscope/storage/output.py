"""Files that appear whole or not at all, readable by their owner only."""

from __future__ import annotations

import errno
import os
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from leakscope.storage.errors import CannotWrite, OutputExists

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_FULL_HINT = "Make room there, or name a file on a disk that has some; nothing was left behind."


def refuse_unwritable(path: Path, *, force: bool = False) -> None:
    """Raise if `path` could not be written now, so that nobody measures for nothing.

    Raises `OutputExists` if something is there and `force` is not given, `CannotWrite` if its
    directory is missing or closed to us, or if `path` is a directory or a device.
    """
    try:
        there = path.lstat() if path.is_symlink() and not path.exists() else path.stat()
    except FileNotFoundError:
        _refuse_directory(path)
        return
    except (OSError, ValueError) as problem:
        raise _cannot_write(path, problem) from None
    if stat.S_ISDIR(there.st_mode):
        raise CannotWrite(f"cannot write {path}: it is a directory")
    if not force:
        raise OutputExists(f"{path} exists already")
    if not stat.S_ISREG(there.st_mode) and not stat.S_ISLNK(there.st_mode):
        raise CannotWrite(f"cannot write {path}: it is not a regular file")
    _refuse_directory(path)


def write_atomically(path: Path, content: bytes, *, force: bool = False) -> None:
    """Write `content` to `path` as `written_atomically` does."""
    with written_atomically(path, force=force) as file:
        file.write(content)


@contextmanager
def written_atomically(path: Path, *, force: bool = False) -> Iterator[BinaryIO]:
    """Yield a file that becomes `path`, mode 0600, when the block is left without an exception.

    It is there whole, or as it was before: nothing half-written is left. Without `force` an
    existing file is never replaced, not even one that appears meanwhile. Raises `OutputExists` or
    `CannotWrite`, also for an `OSError` out of the block.
    """
    refuse_unwritable(path, force=force)
    try:
        handle, name = tempfile.mkstemp(prefix=f".{path.name[:40]}.", dir=path.parent)
    except (OSError, ValueError) as problem:
        raise _cannot_write(path, problem) from None
    temporary = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        _move(temporary, path, force=force)
        _sync_directory(path.parent)
    except OSError as problem:
        raise _cannot_write(path, problem) from None
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


def _move(temporary: Path, path: Path, *, force: bool) -> None:
    """Give the finished file its name; a hard link is the only move that never replaces."""
    if force:
        temporary.replace(path)
        return
    try:
        path.hardlink_to(temporary)
    except FileExistsError:
        raise OutputExists(f"{path} exists already") from None
    except OSError:
        # A file system without hard links: the check at the start has to do.
        temporary.replace(path)


def _sync_directory(directory: Path) -> None:
    """Make the new name survive a power cut, where the file system can."""
    with suppress(OSError):
        descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _refuse_directory(path: Path) -> None:
    directory = path.parent
    try:
        if not directory.is_dir():
            raise CannotWrite(f"cannot write {path}: there is no directory {directory}")
    except (OSError, ValueError) as problem:
        raise _cannot_write(path, problem) from None
    if not os.access(directory, os.W_OK | os.X_OK):
        raise CannotWrite(f"cannot write {path}: directory {directory} is not writable for you")


def _cannot_write(path: Path, problem: OSError | ValueError) -> CannotWrite:
    reason = getattr(problem, "strerror", None) or str(problem)
    hint = _FULL_HINT if getattr(problem, "errno", None) in _FULL else None
    return CannotWrite(f"cannot write {path}: {reason[:1].lower()}{reason[1:]}", hint=hint)
