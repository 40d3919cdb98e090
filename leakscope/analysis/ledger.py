"""The resident memory of a process, put into layers that add up to it. Pure.

What a mapping is for is told by its name, by what lies before it, and by the objects in it. Within
the memory of the allocators it goes by addition: small objects and small buffers are in Python's
own, larger ones in the C library's, which says how much of it is in use. Whatever is counted, each
layer gets at most what is left of the mappings that it is in.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from leakscope.analysis.heapgraph import HeapGraph
from leakscope.model.heap import ObjectFlag
from leakscope.model.memory import Layer, LayerKind, Ledger, MallocFigures, MappedRegion
from leakscope.model.typenames import bare

_SMALL = 512
"""Bytes up to which a block is in Python's own allocator."""
_ARENA = 64 << 20
"""The C library's arenas for threads begin at multiples of this."""
_GUARD = 64 * 1024
"""A mapping without any right of at most so many bytes stands before a thread's stack."""
_HEADS = {
    "list": 56,
    "dict": 64,
    "set": 216,
    "frozenset": 216,
    "bytearray": 56,
    "deque": 232,
    "OrderedDict": 128,
    "defaultdict": 72,
    "array": 80,
    "BytesIO": 80,
    "ndarray": 96,
}
"""Bytes of the objects themselves, header of the collector included, of types with content
elsewhere. They differ by a few bytes between versions."""
_FEW = 0.01
"""Share of small objects that may be in the C library's heap though Python has an own one."""
_ALLOCATORS = ("jemalloc", "tcmalloc", "mimalloc")
_SHARED_NAMES = ("/dev/shm/", "/memfd:", "/SYSV", "/dev/zero")


@dataclass(frozen=True, slots=True)
class _Blocks:
    """The memory of objects, by where it is."""

    small: int
    """Bytes in Python's own allocator, rounded as that does."""
    large: int
    """Bytes elsewhere."""
    small_garbage: int
    large_garbage: int
    """What of both only waits for the collector."""
    small_address: NDArray[np.uint64]
    """Addresses of objects that are in Python's own allocator, ascending."""

    @property
    def in_malloc(self) -> _Blocks:
        """The same objects where Python has no allocator of its own."""
        return _Blocks(
            small=0,
            large=self.large + self.small,
            small_garbage=0,
            large_garbage=self.large_garbage + self.small_garbage,
            small_address=self.small_address[:0],
        )


@dataclass(slots=True)
class _Regions:
    """Resident bytes by what mappings are for."""

    files: int = 0
    shared: int = 0
    stacks: int = 0
    python: int = 0
    """Anonymous memory with small objects in it."""
    arenas: int = 0
    anonymous: int = 0
    """The rest of it."""
    anonymous_size: int = 0
    """Of that, what is not in memory too."""


def ledger_of(
    graph: HeapGraph,
    regions: Sequence[MappedRegion],
    malloc: MallocFigures | None,
    *,
    resident: int,
    swapped: int,
    threads: int,
    pause_ms: float,
) -> Ledger:
    """Put the resident memory of a process into layers.

    `graph`: its frozen heap; `regions`: its mappings at that instant, by address, `resident` bytes
    in all; `malloc`: what the C library's allocator says, None if it says nothing.
    """
    blocks = _blocks(graph)
    if _all_in_malloc(regions, blocks.small_address):
        blocks = blocks.in_malloc
    where = _regions(regions, blocks.small_address, threads)
    allocator = _allocator(regions)
    told = malloc if allocator == "malloc" else None
    sizes = _heap(blocks, where, told)
    sizes |= {
        LayerKind.STACKS: where.stacks,
        LayerKind.FILES: where.files,
        LayerKind.SHARED: where.shared,
    }
    layers = tuple(Layer(kind, max(0, sizes[kind])) for kind in LayerKind)
    return Ledger(
        resident=resident,
        layers=layers,
        remainder=resident - sum(layer.bytes for layer in layers),
        objects=int(graph.live.sum()),
        garbage=int((~graph.live).sum()),
        threads=threads,
        allocator=allocator,
        tells_free=told is not None,
        swapped=swapped,
        pause_ms=pause_ms,
    )


def _blocks(graph: HeapGraph) -> _Blocks:
    """Tell the bytes of objects in Python's own allocator from those elsewhere."""
    snapshot = graph.snapshot
    inside = (snapshot.flags & ObjectFlag.STATIC) == 0
    heads = np.array([_HEADS.get(bare(name), 0) for name in snapshot.type_names], np.int64)
    head = heads[snapshot.type]
    size = snapshot.size
    head = np.where((head > 0) & (head < size), head, size)
    rest = size - head
    small = _in_small(head) + _in_small(rest)
    large = np.where(head > _SMALL, head, 0) + np.where(rest > _SMALL, rest, 0)
    dead = inside & ~graph.live
    return _Blocks(
        small=int(small[inside].sum()),
        large=int(large[inside].sum()),
        small_garbage=int(small[dead].sum()),
        large_garbage=int(large[dead].sum()),
        small_address=snapshot.address[inside & (head <= _SMALL)],
    )


def _in_small(size: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return what blocks take in Python's own allocator, 0 for those that are too large for it."""
    return np.where(size <= _SMALL, (size + 15) & ~15, 0)


def _regions(regions: Sequence[MappedRegion], small: NDArray[np.uint64], threads: int) -> _Regions:
    found = _Regions()
    before: MappedRegion | None = None
    for region in regions:
        if region.name.startswith(_SHARED_NAMES) or region.permissions.endswith("s"):
            found.shared += region.resident
        elif region.name == "[stack]" or _is_stack(region, before, threads):
            found.stacks += region.resident
        elif region.name == "[heap]":
            found.arenas += region.resident
        elif region.name and not region.name.startswith("[anon"):
            found.files += region.resident
        elif _count_in(region, small):
            found.python += region.resident
        elif _is_arena(region):
            found.arenas += region.resident
        elif _is_zero_data(region, before):
            found.files += region.resident
        else:
            found.anonymous += region.resident
            found.anonymous_size += region.end - region.start
        before = region
    return found


def _is_stack(region: MappedRegion, before: MappedRegion | None, threads: int) -> bool:
    """Return whether a mapping looks like a thread's stack: one without rights before it."""
    if threads < 2 or region.name or region.permissions != "rw-p" or before is None:
        return region.name.startswith("[stack:")
    size = before.end - before.start
    guarded = before.end == region.start and before.permissions == "---p" and size <= _GUARD
    return guarded and not _is_arena(region)


def _is_zero_data(region: MappedRegion, before: MappedRegion | None) -> bool:
    """Return whether a mapping is the part of a library's data that is not in its file."""
    return (
        before is not None
        and before.end == region.start
        and before.name.startswith("/")
        and before.permissions == region.permissions == "rw-p"
    )


def _all_in_malloc(regions: Sequence[MappedRegion], small: NDArray[np.uint64]) -> bool:
    """Return whether small objects are in the C library's heap: Python has none of its own.

    `PYTHONMALLOC=malloc` makes it so.
    """
    in_heap = sum(_count_in(region, small) for region in regions if region.name == "[heap]")
    in_arenas = sum(_count_in(region, small) for region in regions if _is_arena(region))
    return in_heap > _FEW * len(small) and in_heap + in_arenas > len(small) / 2


def _is_arena(region: MappedRegion) -> bool:
    return region.start % _ARENA == 0 and region.permissions == "rw-p" and not region.name


def _count_in(region: MappedRegion, addresses: NDArray[np.uint64]) -> int:
    bounds = np.array([region.start, region.end], np.uint64)
    first, last = np.searchsorted(addresses, bounds)
    return int(last - first)


def _allocator(regions: Sequence[MappedRegion]) -> str:
    names = {region.name.rpartition("/")[2] for region in regions}
    return next(
        (each for each in _ALLOCATORS if any(each in name for name in names)),
        "malloc",
    )


def _heap(blocks: _Blocks, where: _Regions, malloc: MallocFigures | None) -> dict[LayerKind, int]:
    """Return the layers of what allocators hold.

    Large blocks have mappings of their own. The kernel puts neighbours together, so some of these
    may be part of a mapping that has small objects too: as many as do not fit in the others.
    """
    if malloc is None:
        used = where.arenas + where.anonymous
        free = other = 0
        beside = max(0, blocks.large - used)
    else:
        free = min(malloc.free, max(0, where.arenas - malloc.used))
        other = max(0, where.anonymous - malloc.mapped)
        used = where.arenas - free + min(where.anonymous, malloc.mapped)
        beside = max(0, malloc.mapped - where.anonymous_size)
    beside = min(beside, max(0, where.python - blocks.small))
    used += beside
    large = min(blocks.large, used)
    small = min(blocks.small, where.python - beside)
    garbage = round(
        small * blocks.small_garbage / max(1, blocks.small)
        + large * blocks.large_garbage / max(1, blocks.large)
    )
    return {
        LayerKind.OBJECTS: small + large - garbage,
        LayerKind.GARBAGE: garbage,
        LayerKind.PYTHON_FREE: where.python - beside - small,
        LayerKind.NATIVE: used - large,
        LayerKind.MALLOC_FREE: free,
        LayerKind.OTHER: other,
    }
