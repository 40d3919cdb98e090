"""Reading heap profiles as pprof writes them, without trust.

`profile.proto` of github.com/google/pprof, gzipped or not: what `leakscope alloc -o` keeps, and
what Go's runtime and others give. Every size, number and index is checked before it is used.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from pathlib import Path

from leakscope.model.allocation import HeapProfile, ProfiledPlace
from leakscope.model.evidence import Site
from leakscope.storage.errors import CorruptedFile, ForeignFile, NoSuchFile, UnreadableFile

_LARGEST_FILE = 64 << 20
_LARGEST = 256 << 20
"""Bytes of a profile, packed and unpacked."""
_GZIP = b"\x1f\x8b"
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_DEEPEST = 1000
"""Calls of a stack that are kept."""

Field = tuple[int, int | bytes]


class _Malformed(Exception):
    """It is no message of the format."""


class _OfOtherThings(Exception):
    """It is a profile, but not of a heap."""


def is_profile(path: Path) -> bool:
    """Return whether a file begins like a profile: it is gzipped, as recordings are not."""
    try:
        with path.open("rb") as file:
            return file.read(len(_GZIP)) == _GZIP
    except OSError:
        return False


def load_profile(path: Path) -> HeapProfile:
    """Return what is in use in a heap profile.

    Raises `NoSuchFile`, `ForeignFile` for what is no heap profile, `CorruptedFile`,
    `UnreadableFile`.
    """
    try:
        with path.open("rb") as file:
            content = file.read(_LARGEST_FILE + 1)
    except FileNotFoundError:
        raise NoSuchFile(f"there is no {path}") from None
    except OSError as problem:
        raise UnreadableFile(f"cannot read {path}: {problem.strerror}") from None
    try:
        return _decoded(_unpacked(content))
    except (_Malformed, zlib.error, IndexError):
        raise CorruptedFile(f"{path} is damaged, or no profile") from None
    except _OfOtherThings:
        raise ForeignFile(
            f"{path} tells nothing of memory in use",
            hint="`leakscope alloc PID -o FILE` writes such profiles.",
        ) from None


def _unpacked(content: bytes) -> bytes:
    if len(content) > _LARGEST_FILE:
        raise _Malformed
    if not content.startswith(_GZIP):
        return content
    unpacker = zlib.decompressobj(wbits=31)
    unpacked = unpacker.decompress(content, _LARGEST)
    if unpacker.unconsumed_tail or not unpacker.eof:
        raise _Malformed
    return unpacked


def _decoded(content: bytes) -> HeapProfile:
    fields: dict[int, list[int | bytes]] = {}
    for number, value in _fields(content):
        fields.setdefault(number, []).append(value)
    texts = [_raw(value).decode("utf-8", "replace") for value in fields.get(6, [])]
    kinds = [texts[_number(_message(value), 1)] for value in fields.get(1, [])]
    if "inuse_space" not in kinds:
        raise _OfOtherThings
    at_bytes = kinds.index("inuse_space")
    at_objects = kinds.index("inuse_objects") if "inuse_objects" in kinds else None
    calls = _calls(fields, texts)
    places: dict[tuple[Site, ...], list[int]] = {}
    for value in fields.get(2, []):
        sample = _message(value)
        stack = [call for at in _numbers(sample, 1)[:_DEEPEST] for call in calls.get(at, ())]
        values = [_signed(each) for each in _numbers(sample, 2)]
        if len(values) != len(kinds):
            raise _Malformed
        place = places.setdefault(tuple(stack), [0, 0])
        place[0] += values[at_bytes]
        place[1] += 0 if at_objects is None else values[at_objects]
    return HeapProfile(
        taken_at=(_first(fields, 9) + _first(fields, 10)) / 1e9,
        mean_bytes=_first(fields, 12),
        places=tuple(
            ProfiledPlace(stack, size, count) for stack, (size, count) in places.items() if size
        ),
    )


def _calls(fields: dict[int, list[int | bytes]], texts: list[str]) -> dict[int, list[Site]]:
    """Return the calls at each location, innermost first: several where some are inlined."""
    functions: dict[int, tuple[str, str]] = {}
    for value in fields.get(5, []):
        told = _message(value)
        names = texts[_number(told, 2)], texts[_number(told, 4)]
        functions[_number(told, 1)] = names
    calls: dict[int, list[Site]] = {}
    for value in fields.get(4, []):
        told = _message(value)
        lines = [_message(line) for number, line in told if number == 4]
        calls[_number(told, 1)] = [
            Site(file, min(_number(line, 2), 1 << 31), name)
            for line in lines
            for name, file in [functions.get(_number(line, 1), ("", ""))]
        ]
    return calls


# What protocol buffers are made of: developers.google.com/protocol-buffers/docs/encoding.


def _fields(content: bytes) -> Iterator[Field]:
    at = 0
    while at < len(content):
        key, at = _varint(content, at)
        kind = key & 7
        if kind == _VARINT:
            value, at = _varint(content, at)
            yield key >> 3, value
            continue
        if kind == _BYTES:
            size, at = _varint(content, at)
        elif kind in (_FIXED64, _FIXED32):
            size = 8 if kind == _FIXED64 else 4
        else:
            raise _Malformed
        if size > len(content) - at:
            raise _Malformed
        if kind == _BYTES:
            yield key >> 3, content[at : at + size]
        at += size


def _varint(content: bytes, at: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        if at >= len(content):
            raise _Malformed
        byte = content[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if not byte & 0x80:
            return value & (1 << 64) - 1, at
    raise _Malformed


def _message(value: int | bytes) -> list[Field]:
    return list(_fields(_raw(value)))


def _raw(value: int | bytes) -> bytes:
    if not isinstance(value, bytes):
        raise _Malformed
    return value


def _number(message: list[Field], number: int) -> int:
    """Return the last value of a field that is a number, 0 if it is not there."""
    found = [value for at, value in message if at == number]
    value = found[-1] if found else 0
    if not isinstance(value, int):
        raise _Malformed
    return value


def _numbers(message: list[Field], number: int) -> list[int]:
    """Return all values of a field of numbers, packed or not."""
    numbers: list[int] = []
    for at, value in message:
        if at != number:
            continue
        if isinstance(value, int):
            numbers.append(value)
            continue
        place = 0
        while place < len(value):
            one, place = _varint(value, place)
            numbers.append(one)
    return numbers


def _first(fields: dict[int, list[int | bytes]], number: int) -> int:
    value = fields.get(number, [0])[-1]
    if not isinstance(value, int):
        raise _Malformed
    return value


def _signed(value: int) -> int:
    return value - (1 << 64) if value >> 63 else value
