"""The container of a recording: a zip whose members are stored as they are.

The same members give the same bytes. Reading accepts only what writing produces (no compression,
no comment, no directories, no 64-bit extension), so that no zip can expand: what its members claim
to hold is never more than the file has.
"""

from __future__ import annotations

import io
import os
import stat
import struct
import zipfile
from collections.abc import Mapping
from pathlib import Path

from leakscope.storage.errors import (
    CorruptedFile,
    ForeignFile,
    NoSuchFile,
    TruncatedFile,
    UnreadableFile,
    cause,
)

MAX_FILE_BYTES = 1 << 30
"""Several times what the largest tables compress to."""

_MAX_MEMBERS = 64
_END = struct.Struct("<4s4H2LH")
_END_SIGNATURE = b"PK\x05\x06"
_LOCAL_SIGNATURE = b"PK\x03\x04"
_EXTENSION_SIGNATURE = b"PK\x06\x07"
_EXTENSION_BYTES = 20
_MIDNIGHT = (1980, 1, 1, 0, 0, 0)
_READING = (zipfile.BadZipFile, NotImplementedError, RuntimeError, ValueError, OSError, EOFError)


def pack(members: Mapping[str, bytes]) -> bytes:
    """Return a zip of `members`, in their order."""
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_STORED, allowZip64=False) as archive:
        for name, content in members.items():
            entry = zipfile.ZipInfo(name, date_time=_MIDNIGHT)
            entry.create_system = 3
            entry.external_attr = 0o600 << 16
            archive.writestr(entry, content)
    return sink.getvalue()


def unpack(path: Path) -> dict[str, bytes]:
    """Return the members of the file at `path`, in the file's order.

    Raises an `UnreadableFile` for everything that `pack` did not write.
    """
    content = _read(path)
    _check_frame(path, content)
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            entries = archive.infolist()
            _check_entries(path, entries, len(content))
            return {entry.filename: archive.read(entry) for entry in entries}
    except _READING as problem:
        raise CorruptedFile(f"{path} is damaged: {cause(problem)}") from None
    except struct.error:
        raise CorruptedFile(f"{path} is damaged: its list of contents is cut") from None


def _read(path: Path) -> bytes:
    """Return the bytes of a regular file of bearable size; never waits on a pipe or device."""
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
        with os.fdopen(descriptor, "rb", closefd=False) as file:
            return file.read(there.st_size)
    except OSError as problem:
        raise _cannot_read(path, problem) from None
    finally:
        os.close(descriptor)


def _cannot_read(path: Path, problem: OSError | ValueError) -> UnreadableFile:
    return UnreadableFile(f"cannot read {path}: {getattr(problem, 'strerror', None) or problem}")


def _check_frame(path: Path, content: bytes) -> None:
    """Refuse what does not begin and end as `pack`'s output does."""
    if not content:
        raise TruncatedFile(f"{path} is empty")
    if not content.startswith(_LOCAL_SIGNATURE[: len(content)]):
        raise ForeignFile(f"{path} is not a leakscope recording")
    if len(content) < _END.size or content[-_END.size :][:4] != _END_SIGNATURE:
        if _END_SIGNATURE in content[-_END.size - (1 << 16) : -_END.size]:
            raise ForeignFile(f"{path} is a zip, but not a leakscope recording")
        raise TruncatedFile(f"{path} is cut off: the end is missing")
    _, disk, first_disk, here, entries, size, offset, comment = _END.unpack(content[-_END.size :])
    extension = content[-_END.size - _EXTENSION_BYTES :][:4]
    if (
        disk
        or first_disk
        or comment
        or here != entries
        or entries > _MAX_MEMBERS
        or offset + size + _END.size != len(content)
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
