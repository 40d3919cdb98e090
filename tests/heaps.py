"""Heaps drawn in code: `heap_of("root -> cache:dict -> entry:shop.Order=100", "a -> b -> a")`.

Each line is a chain of objects, each referring to the next; `a -> b, c` draws two references.
An object is written `name`, `name:type` or `name:type=size`, in full where it is first mentioned
and by name alone afterwards. Types are `object` and sizes 16 where nothing is said. Reference
counts are as drawn, one more for each time an object is held from outside: once if it is named
`root` or `root…`, and as often as `held` says. Addresses depend on the names alone, so two
drawings are two snapshots of one process.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from leakscope.model.heap import HeapSnapshot, ObjectFlag

_OBJECT = re.compile(r"(?P<name>[^:=\s]+)(?::(?P<type>[^=\s]+))?(?:=(?P<size>\d+))?$")


@dataclass(frozen=True, slots=True)
class DrawnHeap:
    """A heap snapshot whose objects have names."""

    snapshot: HeapSnapshot
    rows: Mapping[str, int]

    def row(self, name: str) -> int:
        return self.rows[name]

    def address(self, name: str) -> int:
        return int(self.snapshot.address[self.rows[name]])

    def names(self, rows: Iterable[int] | npt.NDArray[np.integer]) -> list[str]:
        by_row = list(self.rows)
        return [by_row[row] for row in rows]

    def named(self, mask: npt.NDArray[np.bool_]) -> set[str]:
        return set(self.names(np.flatnonzero(mask)))

    def name_edge(self, start: int, end: int) -> str:
        """Name a reference by the name of what it leads to; 0 stands for outside."""
        by_address = {self.address(name): name for name in self.rows}
        return f"root {by_address[end]}" if start == 0 else f".{by_address[end]}"


def address_of(name: str) -> int:
    return 0x7F00_0000_0000 + zlib.crc32(name.encode()) * 16


def heap_of(
    *lines: str,
    held: Mapping[str, int] | None = None,
    flags: Mapping[str, ObjectFlag] | None = None,
    refcounts: Mapping[str, int] | None = None,
    addresses: Mapping[str, int] | None = None,
) -> DrawnHeap:
    """Return the heap that `lines` draw; `refcounts` and `addresses` replace those as drawn."""
    objects: dict[str, tuple[str, int]] = {}
    edges: dict[str, list[str]] = {}
    for line in lines:
        groups = [[_mention(text, objects) for text in part.split(",")] for part in _parts(line)]
        for sources, ends in pairwise(groups):
            for source in sources:
                edges.setdefault(source, []).extend(ends)
    rows = {name: row for row, name in enumerate(objects)}
    counts = {name: int(name.startswith("root")) + (held or {}).get(name, 0) for name in objects}
    for ends in edges.values():
        for end in ends:
            counts[end] += 1
    counts.update(refcounts or {})
    types = sorted({type_ for type_, _ in objects.values()})
    lengths = [len(edges.get(name, ())) for name in objects]
    snapshot = HeapSnapshot(
        type_names=tuple(types),
        address=np.array(
            [(addresses or {}).get(name, address_of(name)) for name in objects], np.uint64
        ),
        type=np.array([types.index(type_) for type_, _ in objects.values()], np.int32),
        size=np.array([size for _, size in objects.values()], np.int64),
        refcount=np.array(list(counts.values()), np.int64),
        flags=np.array([(flags or {}).get(name, 0) for name in objects], np.uint8),
        offsets=np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)]).astype(np.int64),
        targets=np.array([rows[end] for name in objects for end in edges.get(name, ())], np.int32),
    )
    return DrawnHeap(snapshot, rows)


def _parts(line: str) -> list[str]:
    return [part.strip() for part in line.split("->")]


def _mention(text: str, objects: dict[str, tuple[str, int]]) -> str:
    """Note an object where it is first mentioned; return its name."""
    found = _OBJECT.match(text.strip())
    if found is None:
        raise ValueError(f"{text!r} draws no object")
    drawn = (found["type"] or "object", int(found["size"] or 16))
    if found["name"] not in objects or found["type"]:
        objects[found["name"]] = drawn
    return found["name"]


def random_edges(
    nodes: int, edges: int, seed: int
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int32]]:
    """Return offsets and targets of a random graph, parallel edges and self loops included."""
    draw = np.random.default_rng(seed)
    lengths = np.bincount(draw.integers(0, nodes, edges), minlength=nodes)
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    return offsets, draw.integers(0, nodes, edges, dtype=np.int32)
