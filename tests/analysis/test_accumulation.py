"""Where what is new piles up: drawn heaps of an earlier and a later moment."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from leakscope.analysis.accumulation import HeapGrowth, heap_growth
from leakscope.analysis.dominators import DominatedHeap, dominated_heap
from leakscope.analysis.heapgraph import heap_graph
from tests.heaps import DrawnHeap, heap_of

SERVICE = (
    "root:dict -> shop:module -> names:dict -> PENDING:list, INDEX:dict, app:shop.App",
    "app -> state:dict -> sessions:dict, last:list",
)
"""A service at rest; every test adds to it."""


def dominated(heap: DrawnHeap) -> DominatedHeap:
    return dominated_heap(heap_graph(heap.snapshot))


@dataclass(frozen=True)
class Seen:
    """An accumulation by names."""

    point: str | None
    holder: str | None
    objects: int
    bytes: int
    entries: set[str]
    also: list[str]
    spread: bool


def growth(earlier: DrawnHeap, later: DrawnHeap) -> HeapGrowth:
    return heap_growth(dominated(earlier), dominated(later))


def piled(earlier: DrawnHeap, later: DrawnHeap) -> list[Seen]:
    def named(row: int | None) -> str | None:
        return None if row is None else later.names([row])[0]

    return [
        Seen(
            named(a.point),
            named(a.holder),
            a.objects,
            a.bytes,
            set(later.names(a.entries)),
            later.names(a.also_held_by),
            a.spread,
        )
        for a in growth(earlier, later).accumulations
    ]


def requests(holder: str, count: int, *, first: int = 0, size: int = 100) -> list[str]:
    """Draw requests, each with a dictionary of attributes and a body, held by `holder`."""
    return [
        f"{holder} -> q{i}:web.Request={size} -> qd{i}:dict=64 -> body{i}:bytes=36"
        for i in range(first, first + count)
    ]


def test_a_leaked_request_and_its_parts_are_one_accumulation() -> None:
    later = heap_of(*SERVICE, *requests("PENDING", 20))

    (found,) = piled(heap_of(*SERVICE), later)

    assert (found.point, found.holder) == ("PENDING", "PENDING")
    assert (found.objects, found.bytes) == (60, 20 * 200)
    assert found.entries == {f"q{i}" for i in range(20)}
    assert not found.spread
    assert found.also == []


def test_all_types_are_counted_under_their_holder() -> None:
    (found,) = growth(heap_of(*SERVICE), heap_of(*SERVICE, *requests("PENDING", 20))).accumulations

    assert [(gain.type, gain.objects, gain.bytes) for gain in found.types] == [
        ("web.Request", 20, 2000),
        ("dict", 20, 1280),
        ("bytes", 20, 720),
    ]


def test_nothing_that_stays_as_it_was_is_growth() -> None:
    heap = heap_of(*SERVICE, *requests("PENDING", 5))

    found = growth(heap, heap)

    assert found == HeapGrowth((), 0, 0, 0, 0, 0)


def test_a_holder_that_drops_as_much_as_it_takes_up_is_no_accumulation() -> None:
    earlier = heap_of(*SERVICE, *requests("PENDING", 20))
    later = heap_of(*SERVICE, *requests("PENDING", 20, first=20))

    assert piled(earlier, later) == []


def test_only_what_exceeds_what_was_dropped_counts() -> None:
    earlier = heap_of(*SERVICE, *requests("PENDING", 20))
    later = heap_of(*SERVICE, *requests("PENDING", 30, first=20))

    (found,) = piled(earlier, later)

    assert (found.point, found.objects, found.bytes) == ("PENDING", 30, 2000)


def test_successors_at_the_addresses_of_dropped_entries_are_growth_all_the_same() -> None:
    # Twenty requests were in flight; all that leaked since came to lie where they had lain.
    earlier = heap_of(*SERVICE, *requests("last", 20))
    later = heap_of(*SERVICE, *requests("PENDING", 20))

    (found,) = piled(earlier, later)

    assert (found.point, found.objects, found.bytes) == ("PENDING", 60, 4000)


def test_two_leaks_are_two_accumulations_largest_first() -> None:
    later = heap_of(
        *SERVICE,
        *requests("PENDING", 10),
        *requests("sessions", 10, first=10, size=400),
    )

    found = piled(heap_of(*SERVICE), later)

    assert [(a.point, a.bytes) for a in found] == [("sessions", 5000), ("PENDING", 2000)]


def test_little_bytes_are_an_accumulation_when_they_are_many_objects() -> None:
    later = heap_of(
        *SERVICE,
        *requests("PENDING", 2, size=1_000_000),
        *(f"sessions -> s{i}:shop.Session=16" for i in range(50)),
    )

    found = piled(heap_of(*SERVICE), later)

    assert [(a.point, a.objects) for a in found] == [("PENDING", 6), ("sessions", 50)]


def test_a_trickle_beside_a_flood_is_no_accumulation() -> None:
    later = heap_of(*SERVICE, *requests("PENDING", 100), "sessions -> s:shop.Session=16")

    assert [a.point for a in piled(heap_of(*SERVICE), later)] == ["PENDING"]


def test_what_two_containers_hold_goes_to_one_and_the_other_is_named() -> None:
    later = heap_of(
        *SERVICE,
        *requests("PENDING", 20),
        *(f"INDEX -> q{i}" for i in range(15)),
    )

    (found,) = piled(heap_of(*SERVICE), later)

    assert (found.point, found.objects, found.also) == ("PENDING", 60, ["INDEX"])
    assert found.entries == {f"q{i}" for i in range(20)}


def test_what_two_new_containers_hold_goes_to_one_of_them() -> None:
    later = heap_of(
        *SERVICE,
        "sessions -> log:list",
        "state -> newest:dict",
        *requests("log", 20),
        *(f"newest -> q{i}" for i in range(20)),
    )

    (found, *_) = piled(heap_of(*SERVICE), later)

    assert (found.point, found.holder, found.also) == ("log", "sessions", ["newest"])
    assert found.entries == {f"q{i}" for i in range(20)}


def test_a_cache_with_an_index_that_turns_over_is_no_accumulation() -> None:
    def held(first: int) -> DrawnHeap:
        both = (f"INDEX -> q{i}" for i in range(first, first + 20))
        return heap_of(*SERVICE, *requests("PENDING", 20, first=first), *both)

    assert piled(held(0), held(20)) == []


def test_what_unrelated_roots_hold_together_goes_to_the_container() -> None:
    service = ("root1 -> shop:module -> names:dict -> PENDING:list", "root2 -> index:dict")
    later = heap_of(*service, *requests("PENDING", 20), *(f"index -> q{i}" for i in range(20)))

    (found,) = piled(heap_of(*service), later)

    assert (found.point, found.also, found.objects) == ("PENDING", ["index"], 60)


def test_what_nothing_in_the_heap_holds_is_held_from_outside() -> None:
    lost = {f"lost{i}": 1 for i in range(10)}
    later = heap_of(*SERVICE, *(f"{name}:str=60" for name in lost), held=lost)

    (found,) = piled(heap_of(*SERVICE), later)

    assert (found.point, found.holder, found.objects, found.bytes) == (None, None, 10, 600)
    assert found.entries == set(lost)


def test_what_grows_a_little_under_many_is_found_where_they_hang() -> None:
    sessions = [f"sessions -> s{i}:shop.Session -> log{i}:list" for i in range(40)]
    earlier = heap_of(*SERVICE, *sessions)
    later = heap_of(*SERVICE, *sessions, *(f"log{i} -> line{i}:str=80" for i in range(40)))

    (found,) = piled(earlier, later)

    assert (found.point, found.spread, found.objects, found.bytes) == ("sessions", True, 40, 3200)
    assert found.entries == {f"s{i}" for i in range(40)}


def test_a_container_made_since_is_the_point_and_what_held_it_before_the_holder() -> None:
    later = heap_of(*SERVICE, "sessions -> fresh:shop.Session -> log:list", *requests("log", 20))

    (found,) = piled(heap_of(*SERVICE), later)

    assert (found.point, found.holder) == ("log", "sessions")
    assert found.entries == {f"q{i}" for i in range(20)}


def test_one_large_new_object_is_not_searched_for_a_pile() -> None:
    later = heap_of(*SERVICE, "state -> blob:bytes=1000000")

    (found,) = piled(heap_of(*SERVICE), later)

    assert (found.point, found.entries) == ("state", {"blob"})


def linked(count: int, *, head: str, at_head: bool) -> list[str]:
    """Draw a linked list that `head` refers to; new nodes come first or last."""
    order = range(count - 1, -1, -1) if at_head else range(count)
    chain = " -> ".join(f"n{i}:shop.Node=48 -> nd{i}:dict=64" for i in order)
    return [f"{head} -> {chain}"]


@pytest.mark.parametrize("at_head", [True, False])
def test_a_linked_list_piles_up_at_its_head(at_head: bool) -> None:
    earlier = heap_of(*SERVICE, *linked(30, head="state", at_head=at_head))
    later = heap_of(*SERVICE, *linked(60, head="state", at_head=at_head))

    (found,) = piled(earlier, later)

    assert (found.objects, found.bytes) == (60, 30 * 112)
    assert found.point == "state"


def test_a_buffer_that_grows_in_place_is_an_accumulation_without_entries() -> None:
    earlier = heap_of(*SERVICE, "state -> buffer:bytearray=100")
    later = heap_of(*SERVICE, "state -> buffer:bytearray=9100")

    (found,) = piled(earlier, later)

    assert (found.point, found.objects, found.bytes) == ("buffer", 0, 9000)
    assert found.entries == set()


def test_what_moves_from_one_container_to_another_piles_up_in_the_other() -> None:
    earlier = heap_of(*SERVICE, *requests("last", 20))
    later = heap_of(*SERVICE, *(f"PENDING -> q{i}" for i in range(20)), *requests("PENDING", 0))

    assert [a.point for a in piled(earlier, later)] == ["PENDING"]


def test_garbage_is_a_layer_of_its_own() -> None:
    cycles = [f"x{i}:shop.Node=50 -> y{i}:dict=70 -> x{i}" for i in range(10)]

    found = growth(heap_of(*SERVICE), heap_of(*SERVICE, *cycles))

    assert found.accumulations == ()
    assert (found.garbage_objects, found.garbage_bytes) == (20, 1200)
    assert (found.made, found.bytes) == (0, 0)


def test_what_was_made_and_freed_is_counted() -> None:
    earlier = heap_of(*SERVICE, *requests("PENDING", 4))
    later = heap_of(*SERVICE, *requests("PENDING", 6, first=2))

    found = growth(earlier, later)

    assert (found.made, found.freed, found.bytes) == (4 * 3, 2 * 3, 2 * 200)


def test_everything_is_new_after_an_empty_heap() -> None:
    found = growth(heap_of(), heap_of("root -> a"))

    assert (found.made, found.freed) == (2, 0)
    assert sum(a.objects for a in found.accumulations) == 2
