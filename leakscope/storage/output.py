"""Files that appear whole or not at all, readable by their owner only."""

from __future__ import annotations

import os
import stat
import tempfile
from contextlib import suppress
from pathlib import Path

from leakscope.storage.errors import CannotWrite, OutputExists


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
    """Write `content` to `path`, mode 0600: afterwards it is there whole, or as it was before.

    Without `force` an existing file is never replaced, not even one that appears meanwhile.
    Raises `OutputExists` or `CannotWrite`.
    """
    refuse_unwritable(path, force=force)
    try:
        handle, name = tempfile.mkstemp(prefix=f".{path.name[:40]}.", dir=path.parent)
    except (OSError, ValueError) as problem:
        raise _cannot_write(path, problem) from None
    temporary = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
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
    return CannotWrite(f"cannot write {path}: {reason[:1].lower()}{reason[1:]}")
