"""Resident memory in layers that add up to it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from leakscope.analysis.heapgraph import HeapGraph, heap_graph
from leakscope.analysis.ledger import ledger_of
from leakscope.model.heap import HeapSnapshot
from leakscope.model.memory import LayerKind, Ledger, MallocFigures, MappedRegion

MIB = 1 << 20
PYTHON, ARENAS, CHUNK, STACK, FILE = ((base << 32) + 8192 for base in (1, 2, 3, 4, 5))


def region(
    start: int, size: int, resident: int, name: str = "", kind: str = "rw-p"
) -> MappedRegion:
    return MappedRegion(start, start + size, kind, name, resident)


def heap(*objects: tuple[int, str, int], garbage: int = 0) -> HeapGraph:
    """Return a heap of `(address, type, size)`; the first `garbage` of them are cycles."""
    objects = tuple(sorted(objects))
    names = sorted({kind for _, kind, _ in objects})
    count = len(objects)
    cycles = np.arange(count) < garbage
    return heap_graph(
        HeapSnapshot(
            type_names=tuple(names),
            address=np.array([address for address, _, _ in objects], np.uint64),
            type=np.array([names.index(kind) for _, kind, _ in objects], np.int32),
            size=np.array([size for _, _, size in objects], np.int64),
            refcount=np.ones(count, np.int64),
            flags=np.zeros(count, np.uint8),
            offsets=np.concatenate([[0], np.cumsum(cycles)]).astype(np.int64),
            targets=np.flatnonzero(cycles).astype(np.int32),
        )
    )


def ledger(
    graph: HeapGraph, *regions: MappedRegion, malloc: MallocFigures | None = None, threads: int = 1
) -> Ledger:
    return ledger_of(
        graph,
        regions,
        malloc,
        resident=sum(each.resident for each in regions),
        swapped=0,
        threads=threads,
        pause_ms=1.0,
    )


SMALL = [(PYTHON + 512 * n, "shop.Order", 512) for n in range(1024)]
"""Half a MiB of objects."""


def test_what_is_between_small_objects_is_free_in_pythons_allocator() -> None:
    told = ledger(heap(*SMALL), region(PYTHON, 8 * MIB, 3 * MIB))

    assert told.of(LayerKind.OBJECTS) == MIB // 2
    assert told.of(LayerKind.PYTHON_FREE) == 3 * MIB - MIB // 2
    assert told.remainder == 0


def test_garbage_is_told_from_what_is_alive_by_its_bytes() -> None:
    told = ledger(heap(*SMALL, garbage=256), region(PYTHON, MIB, MIB))

    assert told.garbage == 256
    assert told.of(LayerKind.GARBAGE) == MIB // 8
    assert told.of(LayerKind.OBJECTS) == 3 * MIB // 8


def test_what_malloc_has_in_use_beyond_objects_is_native() -> None:
    large = (ARENAS + 64, "shop.Table", 2 * MIB)
    malloc = MallocFigures(arenas=16 * MIB, mapped=0, used=9 * MIB, free=7 * MIB)
    told = ledger(heap(*SMALL, large), region(PYTHON, MIB, MIB),
                  region(ARENAS, 16 * MIB, 12 * MIB, "[heap]"), malloc=malloc)  # fmt: skip

    assert told.of(LayerKind.OBJECTS) == MIB // 2 + 2 * MIB
    assert told.of(LayerKind.NATIVE) == 7 * MIB
    assert told.of(LayerKind.MALLOC_FREE) == 3 * MIB
    assert told.tells_free


def test_without_what_malloc_says_all_of_it_counts_as_in_use() -> None:
    told = ledger(
        heap(*SMALL), region(PYTHON, MIB, MIB), region(ARENAS, 9 * MIB, 5 * MIB, "[heap]")
    )

    assert (told.of(LayerKind.NATIVE), told.of(LayerKind.MALLOC_FREE)) == (5 * MIB, 0)
    assert not told.tells_free


def test_large_blocks_have_mappings_of_their_own() -> None:
    data = (CHUNK + 16, "builtins.bytes", 40 * MIB)
    malloc = MallocFigures(arenas=0, mapped=50 * MIB, used=0, free=0)
    told = ledger(heap(*SMALL, data), region(PYTHON, MIB, MIB), region(CHUNK, 50 * MIB, 50 * MIB),
                  malloc=malloc)  # fmt: skip

    assert told.of(LayerKind.OBJECTS) == MIB // 2 + 40 * MIB
    assert told.of(LayerKind.NATIVE) == 10 * MIB
    assert told.of(LayerKind.OTHER) == 0


def test_a_large_block_may_be_part_of_a_mapping_with_small_objects() -> None:
    data = (PYTHON + 2 * MIB, "builtins.bytes", 40 * MIB)
    malloc = MallocFigures(arenas=0, mapped=40 * MIB, used=0, free=0)
    told = ledger(heap(*SMALL, data), region(PYTHON, 42 * MIB, 42 * MIB), malloc=malloc)

    assert told.of(LayerKind.OBJECTS) == MIB // 2 + 40 * MIB
    assert told.of(LayerKind.PYTHON_FREE) == 2 * MIB - MIB // 2
    assert told.of(LayerKind.NATIVE) == 0


def test_what_malloc_does_not_know_is_mapped_by_others() -> None:
    malloc = MallocFigures(arenas=0, mapped=4 * MIB, used=0, free=0)
    told = ledger(heap(*SMALL), region(PYTHON, MIB, MIB), region(CHUNK, 32 * MIB, 20 * MIB),
                  malloc=malloc)  # fmt: skip

    assert told.of(LayerKind.OTHER) == 16 * MIB
    assert told.of(LayerKind.NATIVE) == 4 * MIB


def test_without_an_allocator_of_pythons_own_objects_are_in_malloc() -> None:
    """So it is under `PYTHONMALLOC=malloc`: in the heap, and in the arenas of threads."""
    arena = 64 << 20
    objects = [(ARENAS + 512 * n, "shop.Order", 512) for n in range(1024)]
    objects += [(9 * arena + 512 * n, "shop.Order", 512) for n in range(1024)]
    malloc = MallocFigures(arenas=4 * MIB, mapped=0, used=2 * MIB, free=2 * MIB)
    told = ledger(
        heap(*objects, garbage=1024),
        region(ARENAS, 2 * MIB, 2 * MIB, "[heap]"),
        region(9 * arena, 2 * MIB, 2 * MIB),
        malloc=malloc,
    )

    assert (told.of(LayerKind.OBJECTS), told.of(LayerKind.GARBAGE)) == (MIB // 2, MIB // 2)
    assert (told.of(LayerKind.NATIVE), told.of(LayerKind.MALLOC_FREE)) == (MIB, 2 * MIB)
    assert told.of(LayerKind.PYTHON_FREE) == 0


def test_an_arena_of_pythons_may_begin_where_mallocs_do() -> None:
    objects = [((64 << 20) + 512 * n, "shop.Order", 512) for n in range(1024)]
    told = ledger(heap(*objects), region(64 << 20, 8 * MIB, 2 * MIB))

    assert told.of(LayerKind.PYTHON_FREE) == 2 * MIB - MIB // 2


def test_garbage_of_one_size_is_not_spread_over_objects_of_another() -> None:
    large = (ARENAS + 64, "shop.Table", 2 * MIB)
    told = ledger(
        heap(*SMALL, large, garbage=1024),
        region(PYTHON, MIB, MIB),
        region(ARENAS, MIB, MIB, "[heap]"),
    )

    # The table is larger than the heap that is in memory: the rest of it is taken to be beside.
    assert (told.of(LayerKind.OBJECTS), told.of(LayerKind.GARBAGE)) == (3 * MIB // 2, MIB // 2)


def test_data_of_a_library_that_is_not_in_its_file_is_a_part_of_it() -> None:
    told = ledger(
        heap(*SMALL),
        region(PYTHON, MIB, MIB),
        region(FILE, MIB, MIB, "/usr/lib/libc.so.6", "rw-p"),
        region(FILE + MIB, MIB, MIB // 2),
    )

    assert told.of(LayerKind.FILES) == MIB + MIB // 2


def test_stacks_files_and_shared_memory_are_told_by_their_mappings() -> None:
    told = ledger(
        heap(*SMALL),
        region(PYTHON, MIB, MIB),
        region(STACK - 4096, 4096, 0, kind="---p"),
        region(STACK, 8 * MIB, MIB // 4),
        region(FILE, MIB, MIB, "/usr/lib/libc.so.6", "r-xp"),
        region(FILE + MIB, MIB, MIB // 2, "/usr/lib/libc.so.6"),
        region(FILE + 9 * MIB, 4 * MIB, 4 * MIB, "/memfd:ring (deleted)", "rw-s"),
        region(FILE + 99 * MIB, MIB, MIB // 8, "[stack]"),
        threads=2,
    )

    assert told.of(LayerKind.STACKS) == MIB // 4 + MIB // 8
    assert told.of(LayerKind.FILES) == MIB + MIB // 2
    assert told.of(LayerKind.SHARED) == 4 * MIB
    assert told.remainder == 0


def test_another_allocator_is_said_to_be_one() -> None:
    malloc = MallocFigures(arenas=MIB, mapped=0, used=0, free=MIB)
    told = ledger(heap(*SMALL), region(PYTHON, MIB, MIB),
                  region(FILE, MIB, MIB, "/usr/lib/libjemalloc.so.2", "r-xp"),
                  malloc=malloc)  # fmt: skip

    assert told.allocator == "jemalloc"
    assert not told.tells_free


sizes = st.integers(0, 64 * MIB)


@given(st.tuples(sizes, sizes, sizes, sizes), st.none() | st.tuples(sizes, sizes, sizes, sizes))
def test_layers_always_add_up(
    resident: tuple[int, int, int, int], said: tuple[int, int, int, int] | None
) -> None:
    starts = (PYTHON, ARENAS, CHUNK, FILE)
    names = ("", "[heap]", "", "/a")
    regions = [
        region(start, 64 * MIB, size, name)
        for start, size, name in zip(starts, resident, names, strict=True)
    ]
    told = ledger(heap(*SMALL), *regions, malloc=None if said is None else MallocFigures(*said))

    assert all(layer.bytes >= 0 for layer in told.layers)
    assert sum(layer.bytes for layer in told.layers) + told.remainder == told.resident
    assert abs(told.remainder) <= MIB or said is not None
    assert told.remainder == pytest.approx(0, abs=1)
