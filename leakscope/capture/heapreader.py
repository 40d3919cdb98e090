"""From the stream of a frozen heap to what it says: totals per type, or every object."""

from __future__ import annotations

import struct
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from leakscope.capture.heapnames import RootsReader
from leakscope.capture.heapstream import (
    LONGEST_NAME,
    BrokenStream,
    Frame,
    FrameKind,
    HeapStream,
    StreamHeader,
    text_of,
)
from leakscope.errors import LeakscopeError
from leakscope.model.census import ContainerLength
from leakscope.model.heap import HeapSnapshot
from leakscope.model.roots import HeapRoots

_COUNTS = struct.Struct("<QQQ")
_TYPE = struct.Struct("<QQQII")
_END = struct.Struct("<QQQQ")
_LENGTHS = np.dtype([("address", "<u8"), ("length", "<i8"), ("type", "<u8")])
_PER_OBJECT = 33
_MOST_OBJECTS = 1 << 31
_MOST_REFERENCES = 1 << 36
_MOST_TYPES = 1 << 23
_FEWER = "the frozen heap has fewer objects or references than it says"


class HeapTooLarge(LeakscopeError):
    """A snapshot takes more memory or time than there is where it is taken."""

    hint = "Free memory on this machine, or use `--capture portable`, which needs next to none."


@dataclass(frozen=True, slots=True)
class HeapType:
    """One type of the target, and all objects of exactly that type."""

    name: str
    """`module.qualname`."""
    address: int
    objects: int
    bytes: int
    """0 in a full snapshot, which has the size of every object instead."""


@dataclass(frozen=True, slots=True)
class WalkSummary:
    """What the frozen copy says of its own work."""

    values_bytes: int
    """Part of all sizes that `sys.getsizeof` leaves out: attribute values kept beside objects."""
    odd_references: int
    """References that cannot be to an object; they were passed over."""
    memory: int
    """Bytes that the copy took for itself, an upper bound."""
    seconds: float


@dataclass(frozen=True, slots=True)
class HeapCensus:
    """Totals of a frozen heap."""

    header: StreamHeader
    types: tuple[HeapType, ...]
    """In order of discovery; two may share a name."""
    containers: tuple[ContainerLength, ...]
    """Those that are long enough, longest first, ties by address."""
    summary: WalkSummary


@dataclass(frozen=True, slots=True)
class FrozenHeap:
    """Every object of a frozen heap."""

    header: StreamHeader
    types: tuple[HeapType, ...]
    """`HeapSnapshot.type` is an index into them."""
    containers: tuple[ContainerLength, ...]
    snapshot: HeapSnapshot
    """In ascending order of address."""
    roots: HeapRoots
    summary: WalkSummary


def read_census(stream: HeapStream, *, containers: int | None = None) -> HeapCensus:
    """Read all of a census; `containers` limits how many are kept, the longest.

    Raises `BrokenStream` or `SnapshotFailed`.
    """
    header = stream.header()
    if header.full:
        raise BrokenStream("a census was asked for, a full snapshot came")
    preamble = _Preamble.read(stream)
    summary = _summary(stream, preamble.next)
    return HeapCensus(header, preamble.types, preamble.containers(containers), summary)


def read_heap(stream: HeapStream, *, containers: int | None = None) -> FrozenHeap:
    """Read all of a full snapshot; the frozen copy then waits for questions.

    Raises `BrokenStream` or `SnapshotFailed`.
    """
    header = stream.header()
    if not header.full:
        raise BrokenStream("a full snapshot was asked for, a census came")
    preamble = _Preamble.read(stream)
    try:
        columns = _Columns(preamble.objects, preamble.references, len(preamble.types))
    except MemoryError as error:
        raise HeapTooLarge(
            f"a heap of {preamble.objects:,} objects with {preamble.references:,} references does "
            "not fit into our memory"
        ) from error
    frame = columns.read(stream, preamble.next)
    roots = RootsReader(header.version)
    while frame.kind is FrameKind.ROOTS:
        roots.read(stream, frame)
        frame = stream.next_frame()
    summary = _summary(stream, frame)
    snapshot = columns.snapshot(tuple(t.name for t in preamble.types))
    found = preamble.containers(containers)
    return FrozenHeap(header, preamble.types, found, snapshot, roots.roots(), summary)


@dataclass(slots=True)
class _Preamble:
    """What comes before the objects: lengths, counts, types."""

    lengths: npt.NDArray[np.void]
    objects: int
    references: int
    types: tuple[HeapType, ...]
    next: Frame
    """The head of the frame that follows, already read."""

    @classmethod
    def read(cls, stream: HeapStream) -> _Preamble:
        parts = []
        frame = stream.next_frame()
        while frame.kind is FrameKind.LENGTHS:
            parts.append(_lengths(stream, frame))
            frame = stream.next_frame()
        if frame.kind is not FrameKind.COUNTS or frame.size != _COUNTS.size:
            raise BrokenStream("the stream of the frozen heap has no counts")
        objects, references, types = _COUNTS.unpack(stream.payload(frame))
        if objects > _MOST_OBJECTS or references > _MOST_REFERENCES or types > _MOST_TYPES:
            raise BrokenStream("the frozen heap claims to be larger than a heap can be")
        found: list[HeapType] = []
        frame = stream.next_frame()
        while frame.kind is FrameKind.TYPES:
            found += _types(stream, frame)
            frame = stream.next_frame()
        if len(found) != types:
            raise BrokenStream("the frozen heap has other types than it says")
        lengths = np.concatenate(parts) if parts else np.empty(0, _LENGTHS)
        return cls(lengths, objects, references, tuple(found), frame)

    def containers(self, limit: int | None) -> tuple[ContainerLength, ...]:
        if len(self.lengths) and int(self.lengths["type"].max()) >= len(self.types):
            raise BrokenStream("a container of the frozen heap has no type")
        rows = np.lexsort((self.lengths["address"], -self.lengths["length"]))[:limit]
        return tuple(
            ContainerLength(address, self.types[type_index].name, length)
            for address, length, type_index in self.lengths[rows].tolist()
        )


def _lengths(stream: HeapStream, frame: Frame) -> npt.NDArray[np.void]:
    if frame.size != frame.count * _LENGTHS.itemsize:
        raise BrokenStream("the lengths of containers in the stream are cut")
    return np.frombuffer(stream.payload(frame), _LENGTHS)


def _types(stream: HeapStream, frame: Frame) -> list[HeapType]:
    content = memoryview(stream.payload(frame))
    found = []
    at = 0
    for _ in range(frame.count):
        if at + _TYPE.size > len(content):
            raise BrokenStream("the types in the stream are cut")
        address, objects, size, _flags, name_size = _TYPE.unpack_from(content, at)
        at += _TYPE.size
        name = bytes(content[at : at + name_size])
        at += name_size
        if len(name) != name_size:
            raise BrokenStream("the types in the stream are cut")
        found.append(HeapType(text_of(name)[:LONGEST_NAME], address, objects, size))
    return found


def _summary(stream: HeapStream, frame: Frame) -> WalkSummary:
    if frame.kind is not FrameKind.END or frame.size != _END.size:
        raise BrokenStream("the stream of the frozen heap does not end where it should")
    odd, values, memory, nanoseconds = _END.unpack(stream.payload(frame))
    return WalkSummary(values, odd, memory, nanoseconds / 1e9)


class _Columns:
    """The columns of a snapshot while they fill."""

    def __init__(self, objects: int, references: int, types: int) -> None:
        self._types = types
        self._objects = 0
        self._references = 0
        self._address = np.empty(objects, np.uint64)
        self._size = np.empty(objects, np.int64)
        self._refcount = np.empty(objects, np.int64)
        self._type = np.empty(objects, np.int32)
        self._degree = np.empty(objects, np.uint32)
        self._flags = np.empty(objects, np.uint8)
        self._targets = np.empty(references, np.int32)

    def read(self, stream: HeapStream, frame: Frame) -> Frame:
        """Read frames of objects and references; return the head of the first other frame."""
        while True:
            if frame.kind is FrameKind.OBJECTS:
                self._read_objects(stream, frame)
            elif frame.kind is FrameKind.REFERENCES:
                self._read_references(stream, frame)
            else:
                return frame
            frame = stream.next_frame()

    def _read_objects(self, stream: HeapStream, frame: Frame) -> None:
        first, count = self._objects, frame.count
        rows = slice(first, first + count)
        padding = -count % 8
        if count > len(self._address) - first or frame.size != count * _PER_OBJECT + padding:
            raise BrokenStream("the frozen heap has more objects than it says")
        columns = (self._address, self._size, self._refcount, self._type, self._degree, self._flags)
        for column in columns:
            stream.read_into(memoryview(column[rows]))  # type: ignore[arg-type]
        stream.read_into(memoryview(bytearray(padding)))
        self._check_objects(slice(max(0, first - 1), first + count), rows)
        self._objects += count

    def _check_objects(self, with_last: slice, rows: slice) -> None:
        """Check what has just arrived; `with_last` takes in the last row from before."""
        addresses = self._address[with_last]
        if not bool(np.all(addresses[1:] > addresses[:-1])):
            raise BrokenStream("the objects of the frozen heap are not in order of address")
        if not _within(self._type[rows], self._types):
            raise BrokenStream("an object of the frozen heap has no type")
        if rows.start < rows.stop and int(self._size[rows].min()) < 0:
            raise BrokenStream("an object of the frozen heap has a negative size")

    def _read_references(self, stream: HeapStream, frame: Frame) -> None:
        first, count = self._references, frame.count
        if count > len(self._targets) - first or frame.size != 4 * count:
            raise BrokenStream("the frozen heap has more references than it says")
        targets = self._targets[first : first + count]
        stream.read_into(memoryview(targets))  # type: ignore[arg-type]
        if not _within(targets, len(self._address)):
            raise BrokenStream("a reference of the frozen heap has no target")
        self._references += count

    def snapshot(self, type_names: tuple[str, ...]) -> HeapSnapshot:
        """Return what was read, checked; memory is taken only for objects that have come."""
        objects = len(self._address)
        if self._objects != objects or self._references != len(self._targets):
            raise BrokenStream(_FEWER)
        offsets = np.zeros(objects + 1, np.int64)
        np.cumsum(self._degree, out=offsets[1:])
        if offsets[-1] != self._references:
            raise BrokenStream(_FEWER)
        return HeapSnapshot(
            type_names,
            self._address,
            self._type,
            self._size,
            self._refcount,
            self._flags,
            offsets,
            self._targets,
        )


def _within(column: npt.NDArray[np.int32], bound: int) -> bool:
    """Return whether all numbers are from 0 up to `bound`; negative ones are large here."""
    return not len(column) or int(column.view(np.uint32).max()) < bound
