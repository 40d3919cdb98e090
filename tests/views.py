"""Drawn heaps as views, and names for what is drawn in them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np

from leakscope.model.census import ContainerLength
from leakscope.model.evidence import Site
from leakscope.model.image import HeapImage
from leakscope.model.roots import HeapRoots, ModuleRoot
from leakscope.watching.heap_view import HeapView
from tests.builders import EPOCH
from tests.heaps import DrawnHeap


class DrawnNames:
    """Names a reference by the object that it leads to: `.PENDING`, or `[*]` out of a list."""

    def __init__(self, heap: DrawnHeap) -> None:
        self._names = {heap.address(name): name for name in heap.rows}
        self.asked: list[tuple[str, ...]] = []

    def chain(self, addresses: Sequence[int]) -> tuple[str, ...]:
        names = [self._names[address] for address in addresses]
        self.asked.append(tuple(names))
        return tuple("" if end.startswith("part") else f".{end}" for _, end in pairwise(names))

    def knows(self, addresses: Sequence[int]) -> bool:
        del addresses
        return True

    def root(self, address: int) -> str:
        return f"class {self._names[address]}"

    def suspended(self, addresses: Sequence[int]) -> list[tuple[Site, ...]]:
        return [(Site("shop.py", 7, self._names[address]),) for address in addresses]

    def numbers(self, addresses: Sequence[int]) -> list[int | None]:
        return [None] * len(addresses)

    def makers(self, addresses: Sequence[int]) -> list[tuple[Site, ...]]:
        return [()] * len(addresses)


def ascending(heap: DrawnHeap) -> DrawnHeap:
    """Return the same heap with its rows in order of address, as captures have them."""
    old = heap.snapshot
    order = np.argsort(old.address, kind="stable")
    place = np.empty(len(order), np.int32)
    place[order] = np.arange(len(order), dtype=np.int32)
    lengths = np.diff(old.offsets)[order]
    parts = [old.targets[old.offsets[row] : old.offsets[row + 1]] for row in order]
    snapshot = replace(
        old,
        address=old.address[order],
        type=old.type[order],
        size=old.size[order],
        refcount=old.refcount[order],
        flags=old.flags[order],
        offsets=np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
        targets=place[np.concatenate(parts)] if parts else old.targets,
    )
    by_place = sorted(heap.rows, key=lambda name: place[heap.rows[name]])
    return DrawnHeap(snapshot, {name: row for row, name in enumerate(by_place)})


def image_of(
    heap: DrawnHeap,
    *,
    modules: Mapping[str, str] | None = None,
    lengths: Mapping[str, int] | None = None,
) -> HeapImage:
    """Return a drawn heap, rows ascending, as an image.

    `modules` are the names of modules by that of their object, `lengths` those of containers.
    """
    roots = tuple(ModuleRoot(heap.address(at), name) for at, name in (modules or {}).items())
    types = heap.snapshot.type_names
    containers = tuple(
        ContainerLength(heap.address(at), types[heap.snapshot.type[heap.row(at)]], length)
        for at, length in (lengths or {}).items()
    )
    return HeapImage(EPOCH, None, 1.5, heap.snapshot, containers, HeapRoots(roots))


def drawn_view(
    heap: DrawnHeap,
    *,
    modules: Mapping[str, str] | None = None,
    lengths: Mapping[str, int] | None = None,
) -> tuple[DrawnHeap, HeapView]:
    """Return a drawn heap with its rows ascending, and a view of it that can name everything."""
    ordered = ascending(heap)
    image = image_of(ordered, modules=modules, lengths=lengths)
    return ordered, HeapView(image, DrawnNames(ordered))
