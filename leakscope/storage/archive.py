"""The container of a recording: a zip whose members are stored as they are, one at a time.

The same members give the same bytes. Reading accepts only what writing produces (no compression,
no comment, no directories, no 64-bit extension), so that no zip can expand: what its members claim
to hold is never more than the file has.
"""

from __future__ import annotations

import hashlib
import os
import stat
import struct
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, BinaryIO, TypeVar

from leakscope.storage.errors import (
    CorruptedFile,
    ForeignFile,
    NoSuchFile,
    TruncatedFile,
    UnreadableFile,
    cause,
)

MAX_FILE_BYTES = (1 << 31) - 1
"""What a zip without the 64-bit extension may be."""

_MAX_MEMBERS = 64
_END = struct.Struct("<4s4H2LH")
_END_SIGNATURE = b"PK\x05\x06"
_LOCAL_SIGNATURE = b"PK\x03\x04"
_EXTENSION_SIGNATURE = b"PK\x06\x07"
_EXTENSION_BYTES = 20
_LONGEST_COMMENT = 1 << 16
_COPY_BYTES = 1 << 20
_MIDNIGHT = (1980, 1, 1, 0, 0, 0)
_READING = (zipfile.BadZipFile, NotImplementedError, RuntimeError, ValueError, OSError, EOFError)

Result = TypeVar("Result")


class ArchiveTooLarge(Exception):
    """More than a zip may hold was to be written; the message says so."""


class Sink:
    """Where a member's bytes go: one after the other, counted and digested on the way.

    Once a write has failed, later ones do nothing: a library that tidies up after its failure must
    not hide what happened.
    """

    closed = False

    def __init__(self, member: IO[bytes], room: int) -> None:
        """Pass at most `room` bytes on to `member`."""
        self.size = 0
        self._member = member
        self._room = room
        self._digest = hashlib.sha256()
        self._failed = False

    @property
    def sha256(self) -> str:
        """Digest of what was written so far, in hexadecimal."""
        return self._digest.hexdigest()

    def write(self, content: bytes) -> int:
        """Pass bytes on. Raises `OSError` or `ArchiveTooLarge`."""
        if self._failed:
            return len(content)
        try:
            if len(content) > self._room - self.size:
                raise ArchiveTooLarge("it is larger than any file that leakscope would read again")
            self._member.write(content)
        except BaseException:
            self._failed = True
            raise
        self._digest.update(content)
        self.size += len(content)
        return len(content)

    def flush(self) -> None:
        """Do nothing: the file is flushed when it is whole."""


class Packer:
    """A zip that is being written, member after member."""

    def __init__(self, file: BinaryIO, archive: zipfile.ZipFile) -> None:
        self._file = file
        self._archive = archive

    @contextmanager
    def member(self, name: str) -> Iterator[Sink]:
        """Open a member; whatever is written until the block is left is in it."""
        entry = zipfile.ZipInfo(name, date_time=_MIDNIGHT)
        entry.create_system = 3
        entry.external_attr = 0o600 << 16
        with self._archive.open(entry, "w") as member:
            # What the list of contents will take is no more than this.
            yield Sink(member, MAX_FILE_BYTES - self._file.tell() - (_MAX_MEMBERS << 10))


@contextmanager
def packing(file: BinaryIO) -> Iterator[Packer]:
    """Write a zip to `file`, which must be seekable."""
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED, allowZip64=False) as archive:
        yield Packer(file, archive)


class Archive:
    """A zip that `packing` wrote, or one that reads the same."""

    def __init__(self, path: Path, archive: zipfile.ZipFile) -> None:
        self._path = path
        self._archive = archive

    @property
    def names(self) -> tuple[str, ...]:
        """The members, in the file's order."""
        return tuple(self._archive.namelist())

    def size(self, name: str) -> int:
        """Return how many bytes a member has."""
        return self._archive.getinfo(name).file_size

    def read(self, name: str) -> bytes:
        """Return the bytes of a member. Raises an `UnreadableFile`."""
        return _guarded(self._path, lambda: self._archive.read(name))

    def digest(self, name: str) -> str:
        """Return a member's SHA-256 in hexadecimal. Raises an `UnreadableFile`."""
        digest = hashlib.sha256()
        for piece in self.pieces(name):
            digest.update(piece)
        return digest.hexdigest()

    def pieces(self, name: str) -> Iterator[bytes]:
        """Yield the bytes of a member, a mebibyte at a time. Raises an `UnreadableFile`."""
        member = _guarded(self._path, lambda: self._archive.open(name))
        with member:
            while piece := _guarded(self._path, lambda: member.read(_COPY_BYTES)):
                yield piece


@contextmanager
def unpacking(path: Path) -> Iterator[Archive]:
    """Open the file at `path`.

    Raises an `UnreadableFile` for everything that `packing` did not write; what is in its members
    is only seen when they are read.
    """
    with _opened(path) as file:
        size = _guarded(path, lambda: file.seek(0, os.SEEK_END))
        _guarded(path, lambda: _check_frame(path, file, size))
        archive = _guarded(path, lambda: zipfile.ZipFile(file))
        with archive:
            _check_entries(path, archive.infolist(), size)
            yield Archive(path, archive)


def _guarded(path: Path, action: Callable[[], Result]) -> Result:
    """Return what reading gives; what goes wrong is the file's fault."""
    try:
        return action()
    except _READING as problem:
        raise CorruptedFile(f"{path} is damaged: {cause(problem)}") from None
    except struct.error:
        raise CorruptedFile(f"{path} is damaged: its list of contents is cut") from None


def _opened(path: Path) -> BinaryIO:
    """Open a regular file of bearable size; never waits on a pipe or device."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        raise NoSuchFile(f"there is no file {path}") from None
    except PermissionError:
        raise UnreadableFile(
            f"you may not read {path}", hint="Recordings belong to who made them: ask their owner."
        ) from None
    except (OSError, ValueError) as problem:
        raise _cannot_read(path, problem) from None
    try:
        there = os.fstat(descriptor)
        if not stat.S_ISREG(there.st_mode):
            raise ForeignFile(f"{path} is not a regular file")
        if there.st_size > MAX_FILE_BYTES:
            raise ForeignFile(f"{path} is larger than any recording")
    except BaseException:
        os.close(descriptor)
        raise
    return os.fdopen(descriptor, "rb")


def _cannot_read(path: Path, problem: OSError | ValueError) -> UnreadableFile:
    return UnreadableFile(f"cannot read {path}: {getattr(problem, 'strerror', None) or problem}")


def _check_frame(path: Path, file: BinaryIO, size: int) -> None:
    """Refuse what does not begin and end as `packing`'s output does."""
    file.seek(0)
    head = file.read(len(_LOCAL_SIGNATURE))
    file.seek(max(0, size - _END.size - _LONGEST_COMMENT))
    tail = file.read(_END.size + _LONGEST_COMMENT)
    if not head:
        raise TruncatedFile(f"{path} is empty")
    if not _LOCAL_SIGNATURE.startswith(head):
        raise ForeignFile(f"{path} is not a leakscope recording")
    end = tail[-_END.size :]
    if len(end) < _END.size or not end.startswith(_END_SIGNATURE):
        if _END_SIGNATURE in tail[: -_END.size]:
            raise ForeignFile(f"{path} is a zip, but not a leakscope recording")
        raise TruncatedFile(f"{path} is cut off: the end is missing")
    _, disk, first_disk, here, entries, listed, offset, comment = _END.unpack(end)
    extension = tail[-_END.size - _EXTENSION_BYTES :][:4]
    if (
        disk
        or first_disk
        or comment
        or here != entries
        or entries > _MAX_MEMBERS
        or offset + listed + _END.size != size
        or extension == _EXTENSION_SIGNATURE
    ):
        raise ForeignFile(f"{path} is a zip, but not a leakscope recording")


def _check_entries(path: Path, entries: list[zipfile.ZipInfo], file_bytes: int) -> None:
    """Refuse members that could expand, overlap or point out of the file."""
    names = {entry.filename for entry in entries}
    if len(names) != len(entries) or len(entries) > _MAX_MEMBERS:
        raise CorruptedFile(f"{path} holds the same member twice")
    if any(not n.isascii() or not n.isprintable() or "/" in n or "\\" in n for n in names):
        raise ForeignFile(f"{path} is a zip, but not a leakscope recording")
    if any(e.compress_type != zipfile.ZIP_STORED or e.flag_bits for e in entries):
        raise ForeignFile(
            f"{path} is a compressed zip",
            hint="Recordings are not compressed again; unpack it and name the .lscope file.",
        )
    if any(e.file_size != e.compress_size for e in entries):
        raise CorruptedFile(f"{path} is damaged: a member's sizes differ")
    if sum(e.file_size for e in entries) > file_bytes:
        raise CorruptedFile(f"{path} claims to hold more than it does")
