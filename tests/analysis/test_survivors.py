"""Which objects of two snapshots are the same."""

from __future__ import annotations

from leakscope.analysis.heapgraph import heap_graph
from leakscope.analysis.survivors import ABSENT, survivors
from tests.heaps import DrawnHeap, address_of, heap_of


def stayed(earlier: DrawnHeap, later: DrawnHeap) -> set[str]:
    found = survivors(heap_graph(earlier.snapshot), heap_graph(later.snapshot))
    for row, was in enumerate(found.earlier_of):
        assert was == ABSENT or found.later_of[was] == row
    return later.named(found.stayed)


def test_what_is_held_as_before_is_the_same() -> None:
    earlier = heap_of("root -> cache -> a", "root -> b")
    later = heap_of("root -> b, cache", "cache -> a, c")

    assert stayed(earlier, later) == {"root", "cache", "a", "b"}


def test_another_type_at_the_same_address_is_another_object() -> None:
    earlier = heap_of("root -> a:shop.Order")
    later = heap_of("root -> a:shop.Cart")

    assert stayed(earlier, later) == {"root"}


def test_the_order_of_types_does_not_matter() -> None:
    earlier = heap_of("root:z -> a:y -> b:x")
    later = heap_of("root:z -> a:y -> b:x -> c:a")

    assert stayed(earlier, later) == {"root", "a", "b"}


def test_a_successor_at_the_address_of_a_freed_object_is_new() -> None:
    earlier = heap_of("root -> frame -> request:web.Request -> body:dict", "root -> PENDING")
    # The request of the frame is gone; the next one, leaked, was put in its place.
    later = heap_of("root -> frame", "root -> PENDING -> request:web.Request -> body:dict")

    assert stayed(earlier, later) == {"root", "frame", "PENDING"}


def test_an_object_that_one_of_two_holders_let_go_is_the_same() -> None:
    earlier = heap_of("root -> queue -> job", "root -> index -> job")
    later = heap_of("root -> queue", "root -> index -> job")

    assert stayed(earlier, later) == {"root", "queue", "index", "job"}


def test_what_was_garbage_is_not_the_same_as_what_lives() -> None:
    earlier = heap_of("root", "a -> a")
    later = heap_of("root -> a -> a")

    assert stayed(earlier, later) == {"root"}


def test_what_became_garbage_did_not_stay() -> None:
    earlier = heap_of("root -> a -> a")
    later = heap_of("root", "a -> a")

    assert stayed(earlier, later) == {"root"}


def test_an_object_held_from_outside_both_times_is_the_same() -> None:
    earlier = heap_of("root", "local -> a", held={"local": 1})
    later = heap_of("local -> a", "root", held={"local": 1})

    assert stayed(earlier, later) == {"root", "local", "a"}


def test_addresses_may_be_anything() -> None:
    places = {"root": 2**64 - 16, "a": 0}
    earlier = heap_of("root -> a", addresses=places)
    later = heap_of("root -> a -> b", addresses=places | {"b": address_of("b")})

    assert stayed(earlier, later) == {"root", "a"}


def test_nothing_stayed_of_an_empty_heap() -> None:
    assert stayed(heap_of(), heap_of("root -> a")) == set()
    assert stayed(heap_of("root -> a"), heap_of()) == set()
