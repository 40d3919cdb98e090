"""The objects and references of heaps as tables, and back: arrays all the way, piece by piece.

The rows of one heap are together, heap after heap. References are in the order of the objects
that they are from, so that where an object's references begin need not be kept.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np
import numpy.typing as npt

from leakscope.model.heap import HeapSnapshot
from leakscope.storage.parquet import GROUP_ROWS, StoredTable
from leakscope.storage.tables import (
    BadTable,
    Cells,
    Column,
    Columns,
    Kind,
    Packing,
    Stream,
    TableSpec,
)

OBJECTS = TableSpec(
    "objects",
    "one object of a heap; the rows of each heap are numbered from 0, ascending by address",
    (
        Column("heap", Kind.ROW),
        Column("row", Kind.ROW, packing=Packing.DELTA),
        Column("address", Kind.ADDRESS, packing=Packing.DELTA),
        Column("type", Kind.ROW),
        Column("size", Kind.COUNT),
        Column("refcount", Kind.INTEGER),
        Column("flags", Kind.BITS),
    ),
    most_rows=100_000_000,
)
REFERENCES = TableSpec(
    "references",
    "one reference between two objects of a heap, `from` and `to` being their `row`",
    (
        Column("heap", Kind.ROW),
        Column("from", Kind.ROW, packing=Packing.DELTA),
        Column("to", Kind.ROW, packing=Packing.PLAIN),
    ),
    most_rows=500_000_000,
)


def encode_objects(snapshots: Sequence[HeapSnapshot]) -> Stream:
    """Return the table of all objects."""
    return Stream(OBJECTS, (p for heap, s in enumerate(snapshots) for p in _object_pieces(heap, s)))


def encode_references(snapshots: Sequence[HeapSnapshot]) -> Stream:
    """Return the table of all references."""
    return Stream(
        REFERENCES, (p for heap, s in enumerate(snapshots) for p in _reference_pieces(heap, s))
    )


def _object_pieces(heap: int, snapshot: HeapSnapshot) -> Iterator[Columns]:
    for first in range(0, snapshot.objects, GROUP_ROWS):
        rows = slice(first, min(first + GROUP_ROWS, snapshot.objects))
        count = rows.stop - rows.start
        yield {
            "heap": np.full(count, heap, np.int32),
            "row": np.arange(rows.start, rows.stop, dtype=np.int32),
            "address": snapshot.address[rows],
            "type": snapshot.type[rows],
            "size": snapshot.size[rows],
            "refcount": snapshot.refcount[rows],
            "flags": snapshot.flags[rows],
        }


def _reference_pieces(heap: int, snapshot: HeapSnapshot) -> Iterator[Columns]:
    offsets = snapshot.offsets
    for first in range(0, snapshot.references, GROUP_ROWS):
        stop = min(first + GROUP_ROWS, snapshot.references)
        # The objects that these references are from, and how many of them each has.
        begin = int(np.searchsorted(offsets, first, "right")) - 1
        end = int(np.searchsorted(offsets, stop, "left"))
        counts = np.diff(offsets[begin : end + 1].clip(first, stop))
        yield {
            "heap": np.full(stop - first, heap, np.int32),
            "from": np.repeat(np.arange(begin, end, dtype=np.int32), counts),
            "to": snapshot.targets[first:stop],
        }


Graph = tuple[npt.NDArray[np.int64], npt.NDArray[np.int32]]
"""Offsets and targets, as in `HeapSnapshot`."""


@dataclass(frozen=True, slots=True)
class ObjectArrays:
    """The objects of one heap, as in `HeapSnapshot`."""

    address: npt.NDArray[np.uint64]
    type: npt.NDArray[np.int32]
    size: npt.NDArray[np.int64]
    refcount: npt.NDArray[np.int64]
    flags: npt.NDArray[np.uint8]

    @classmethod
    def empty(cls, count: int) -> ObjectArrays:
        """Return room for so many."""
        return cls(
            np.empty(count, np.uint64),
            np.empty(count, np.int32),
            np.empty(count, np.int64),
            np.empty(count, np.int64),
            np.empty(count, np.uint8),
        )


def decode_objects(stored: StoredTable, heap: int, first: int, count: int) -> ObjectArrays:
    """Return the `count` objects of a heap, which begin at row `first`. Raises `BadTable`."""
    objects = ObjectArrays.empty(count)
    at = 0
    for piece in stored.pieces(first, first + count):
        columns = _numbers(piece)
        _require_heap(stored, columns["heap"], heap)
        rows = slice(at, at + len(columns["row"]))
        if not np.array_equal(columns["row"], np.arange(rows.start, rows.stop)):
            raise BadTable("objects are not numbered in order")
        objects.address[rows] = columns["address"]
        objects.type[rows] = columns["type"]
        objects.size[rows] = columns["size"]
        objects.refcount[rows] = columns["refcount"]
        objects.flags[rows] = columns["flags"]
        at = rows.stop
    return objects


def decode_references(
    stored: StoredTable, heap: int, first: int, count: int, objects: int
) -> Graph:
    """Return the offsets and targets of a heap of `objects` objects and `count` references.

    They begin at row `first`. Raises `BadTable`.
    """
    offsets = np.zeros(objects + 1, np.int64)
    targets = np.empty(count, np.int32)
    degrees = offsets[1:]
    at = last = 0
    for piece in stored.pieces(first, first + count):
        columns = _numbers(piece)
        _require_heap(stored, columns["heap"], heap)
        source = columns["from"]
        if int(source[0]) < last or not bool(np.all(source[1:] >= source[:-1])):
            raise BadTable("references are not in order")
        begin, last = int(source[0]), int(source[-1])
        if last >= objects:
            raise BadTable("references are from a row that is not there")
        degrees[begin : last + 1] += np.bincount(source - begin)
        targets[at : at + len(source)] = columns["to"]
        at += len(source)
    np.cumsum(degrees, out=degrees)
    return offsets, targets


def check_snapshot(snapshot: HeapSnapshot) -> None:
    """Raise `BadTable` for a heap that cannot be, or whose arrays are of other types."""
    objects, model = snapshot.objects, ObjectArrays.empty(0)
    for array, kind, length in (
        (snapshot.address, model.address.dtype, objects),
        (snapshot.type, model.type.dtype, objects),
        (snapshot.size, model.size.dtype, objects),
        (snapshot.refcount, model.refcount.dtype, objects),
        (snapshot.flags, model.flags.dtype, objects),
        (snapshot.offsets, np.dtype(np.int64), objects + 1),
        (snapshot.targets, np.dtype(np.int32), snapshot.references),
    ):
        if array.dtype != kind or array.shape != (length,):
            raise BadTable("a heap's arrays do not fit together")
    address, offsets = snapshot.address, snapshot.offsets
    if not bool(np.all(address[1:] > address[:-1])):
        raise BadTable("objects are not in ascending order of address")
    if not _within(snapshot.type, len(snapshot.type_names)):
        raise BadTable("objects have a type that is not there")
    if snapshot.objects and int(snapshot.size.min()) < 0:
        raise BadTable("objects have a negative size")
    ends = (int(offsets[0]), int(offsets[-1]))
    if ends != (0, snapshot.references) or not bool(np.all(offsets[1:] >= offsets[:-1])):
        raise BadTable("references do not add up")
    if not _within(snapshot.targets, snapshot.objects):
        raise BadTable("references lead to a row that is not there")


def _numbers(piece: dict[str, Cells]) -> dict[str, npt.NDArray[np.int64]]:
    return cast("dict[str, npt.NDArray[np.int64]]", piece)


def _require_heap(stored: StoredTable, column: npt.NDArray[np.int64], heap: int) -> None:
    if not bool(np.all(column == heap)):
        raise BadTable(f"{stored.spec.name} are not of the heap that they should be of")


def _within(column: npt.NDArray[np.int32], bound: int) -> bool:
    """Return whether all numbers are from 0 up to `bound`; negative ones are large here."""
    return not len(column) or int(column.view(np.uint32).max()) < bound
