"""Which sampled allocations belong to which holder and type of a drawn heap."""

from __future__ import annotations

import numpy as np

from leakscope.model.allocation import SampledStack, Samples
from leakscope.model.evidence import HolderEvidence, Site, SiteGrowth, Step
from leakscope.watching.heap_sites import allocated_in
from leakscope.watching.heap_view import HeapView
from tests.heaps import DrawnHeap, heap_of
from tests.views import DrawnNames, ascending, image_of

KEEP = (Site("shop.py", 7, "keep"), Site("shop.py", 40, "serve"))
SERVE = (Site("shop.py", 12, "answer"), Site("shop.py", 40, "serve"))
LOAD = (Site("lib.py", 3, "load"),)


def drawn() -> DrawnHeap:
    return ascending(
        heap_of(
            "root:dict -> shop:module -> PENDING:list -> r1:Record=100, r2:Record=100",
            "shop -> CACHE:dict -> c1:Record=100",
            "r1 -> t1:str=900",
            "r2 -> t2:str=900",
            "CACHE -> shared:str=900",
            "r1 -> shared",
            "gone:Record=100 -> gone",
        )
    )


def sites(
    heap: DrawnHeap, *samples: tuple[int, int, tuple[Site, ...]], entry: tuple[Step, ...] = ()
) -> tuple[SiteGrowth, ...]:
    """Return the sites of samples of `(address, size, calls)`, which all are certain."""
    stacks = (KEEP, SERVE, LOAD)
    holder = HolderEvidence(heap.address("PENDING"), "list", (), entry, (), 0)
    told = Samples(
        mean_bytes=1,
        seconds=1.0,
        stacks=tuple(SampledStack(calls, False, 1, 1, 0) for calls in stacks),
        address=np.array([address for address, _, _ in samples], np.uint64),
        size=np.array([size for _, size, _ in samples], np.uint64),
        stack=np.array([stacks.index(calls) for _, _, calls in samples], np.uint32),
        taken=9,
        lost=0,
        unplaced=0,
        displaced=False,
    )
    view = HeapView(image_of(heap, modules={"shop": "shop"}), DrawnNames(heap))
    return allocated_in(view, told, [holder], ["Record"])


def test_what_a_holder_keeps_was_allocated_there() -> None:
    heap = drawn()
    found = sites(
        heap,
        (heap.address("r1") - 16, 116, KEEP),
        (heap.address("t1"), 900, SERVE),
        (heap.address("t2"), 900, SERVE),
        (heap.address("c1"), 100, LOAD),
        (heap.address("shared"), 900, LOAD),
    )

    assert [(s.stack, s.bytes, s.blocks) for s in found if s.holder == heap.address("PENDING")] == [
        (SERVE, 1800, 2),
        (KEEP, 116, 1),
    ]


def test_where_entries_are_allocated_comes_before_where_most_bytes_are() -> None:
    heap = drawn()
    found = sites(
        heap,
        (heap.address("r1"), 100, KEEP),
        (heap.address("t1"), 900, SERVE),
        entry=(Step("[*]", "Record"),),
    )

    assert [(s.stack, s.bytes) for s in found if s.holder] == [(SERVE, 900), (KEEP, 100)][::-1]


def test_objects_of_a_type_were_allocated_there_as_far_as_they_are_alive() -> None:
    heap = drawn()
    found = sites(
        heap,
        (heap.address("r1"), 100, KEEP),
        (heap.address("c1"), 100, LOAD),
        (heap.address("gone"), 100, SERVE),
    )

    assert [(s.stack, s.bytes) for s in found if s.type == "Record"] == [(LOAD, 100), (KEEP, 100)]


def test_storage_counts_like_the_objects_of_the_same_calls() -> None:
    """Half of what `serve` allocated is kept by the holder, so half of its storage is."""
    heap = drawn()
    found = sites(
        heap,
        (heap.address("t1"), 900, SERVE),
        (heap.address("c1"), 100, SERVE),
        (0x1000, 4000, SERVE),
        (0x9000, 7000, LOAD),
    )

    assert [(s.stack, s.bytes) for s in found if s.holder] == [(SERVE, 900 + 2000)]


def reused(*calls: tuple[Site, ...], type_: str) -> list[tuple[Site, ...]]:
    """Return what is told of as many entries of one type, allocated by these calls."""
    rows = [f"r{at}" for at in range(len(calls))]
    drawn = (f"{row}:{type_}=100" for row in rows)
    heap = ascending(heap_of(f"root:dict -> shop:module -> PENDING:list -> {', '.join(drawn)}"))
    found = sites(
        heap, *((heap.address(row), 100, call) for row, call in zip(rows, calls, strict=True))
    )
    return [each.stack for each in found if each.holder == heap.address("PENDING")]


def test_one_sample_of_memory_that_is_used_again_tells_nothing() -> None:
    assert reused(SERVE, type_="tuple") == []
    assert reused(SERVE, SERVE, KEEP, KEEP, type_="builtins.dict") == []
    assert reused(*[SERVE] * 7, type_="builtins.dict") == []
    assert reused(*[SERVE] * 8, KEEP, type_="builtins.dict") == [SERVE, KEEP]
    assert reused(SERVE, type_="shop.Order") == [SERVE]


def test_beside_samples_that_are_sure_others_tell_nothing() -> None:
    other = ascending(
        heap_of(
            "root:dict -> shop:module -> PENDING:list -> r1:Record=50 -> d1:dict=300, t1:str=60"
        )
    )
    found = sites(
        other,
        (other.address("d1"), 300, SERVE),
        (other.address("t1"), 60, KEEP),
        entry=(Step("[*]", "Order"),),
    )

    assert [each.stack for each in found if each.holder == other.address("PENDING")] == [KEEP]
