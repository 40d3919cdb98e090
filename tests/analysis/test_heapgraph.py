"""What is alive, what is garbage and who is held from outside, told by arithmetic alone."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from leakscope.analysis.heapgraph import heap_graph, row_of, rows_of_type, type_name
from leakscope.analysis.kernels import MalformedGraph
from leakscope.model.heap import ObjectFlag
from tests.analysis.graphs import reached_from
from tests.heaps import DrawnHeap, heap_of


def live_in(heap: DrawnHeap) -> set[str]:
    return heap.named(heap_graph(heap.snapshot).live)


def roots_of(heap: DrawnHeap) -> list[str]:
    return heap.names(heap_graph(heap.snapshot).roots)


def test_what_a_root_leads_to_is_live_and_the_rest_is_garbage() -> None:
    heap = heap_of("root -> session -> user", "left -> right -> left", "right -> tail")

    graph = heap_graph(heap.snapshot)

    assert heap.named(graph.live) == {"root", "session", "user"}
    assert heap.named(graph.garbage) == {"left", "right", "tail"}


def test_an_object_with_more_references_than_the_heap_accounts_for_is_a_root() -> None:
    heap = heap_of("root -> a -> b", "c -> b", held={"b": 1, "c": 1})

    assert roots_of(heap) == ["root", "b", "c"]


def test_a_garbage_cycle_that_refers_to_live_objects_is_still_garbage() -> None:
    heap = heap_of("root -> config", "left -> right -> left", "right -> config")

    assert live_in(heap) == {"root", "config"}


def test_a_cycle_held_from_outside_once_is_live() -> None:
    heap = heap_of("left -> right -> left", held={"right": 1})

    assert live_in(heap) == {"left", "right"}


def test_an_object_that_only_refers_to_itself_is_garbage() -> None:
    assert live_in(heap_of("root", "loop -> loop")) == {"root"}


@pytest.mark.parametrize("flag", [ObjectFlag.IMMORTAL, ObjectFlag.STATIC])
@pytest.mark.parametrize("count", [0, 1, 2**32 - 1])
def test_what_is_never_freed_is_a_root_whatever_its_count(flag: ObjectFlag, count: int) -> None:
    heap = heap_of("kind -> slots", "loop -> loop", flags={"kind": flag}, refcounts={"kind": count})

    assert roots_of(heap) == ["kind"]
    assert live_in(heap) == {"kind", "slots"}


def test_a_tracked_object_or_a_type_is_no_root_by_itself() -> None:
    both = ObjectFlag.GC_TRACKED | ObjectFlag.TYPE

    assert live_in(heap_of("root", "Model -> Model", flags={"Model": both})) == {"root"}


def test_an_object_seen_more_often_than_counted_is_noted_and_never_called_garbage() -> None:
    heap = heap_of("lost -> shared", "lost -> shared -> part", refcounts={"shared": 1})

    graph = heap_graph(heap.snapshot)

    assert heap.names(graph.miscounted) == ["shared"]
    assert heap.named(graph.live) == {"shared", "part"}


def test_an_object_seen_too_often_but_held_anyway_is_no_root() -> None:
    heap = heap_of("root -> iterator -> shared", "iterator -> shared", refcounts={"shared": 1})

    assert roots_of(heap) == ["root"]
    assert live_in(heap) == {"root", "iterator", "shared"}


def test_two_references_of_one_object_to_another_account_for_two_counts() -> None:
    lines = ("root -> item", "root -> item")

    assert roots_of(heap_of(*lines, refcounts={"item": 2})) == ["root"]
    assert roots_of(heap_of(*lines, refcounts={"item": 3})) == ["root", "item"]


def test_an_empty_heap_has_neither_roots_nor_garbage() -> None:
    graph = heap_graph(heap_of().snapshot)

    assert graph.roots.tolist() == []
    assert not graph.garbage.any()


@given(
    st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), max_size=30),
    st.sets(st.integers(0, 9)),
)
def test_with_true_counts_exactly_what_is_held_is_live(
    edges: list[tuple[int, int]], held: set[int]
) -> None:
    lines = [f"n{i}" for i in range(10)] + [f"n{u} -> n{v}" for u, v in edges]
    heap = heap_of(*lines, held={f"n{i}": 1 for i in held})

    graph = heap_graph(heap.snapshot)

    assert set(graph.roots) == held
    assert set(np.flatnonzero(graph.live)) == reached_from(graph.outgoing, sorted(held))


def test_objects_are_found_by_address_and_by_type() -> None:
    heap = heap_of("root:dict -> a:shop.Order, b:shop.Order")

    assert row_of(heap.snapshot, heap.address("b")) == heap.row("b")
    assert row_of(heap.snapshot, 1) is None
    assert heap.names(rows_of_type(heap.snapshot, "shop.Order")) == ["a", "b"]
    assert type_name(heap.snapshot, heap.row("root")) == "dict"


@pytest.mark.parametrize(
    "damage",
    [
        {"type": np.array([0], np.int32)},
        {"type": np.array([0, 9], np.int32)},
        {"type": np.array([0, -1], np.int32)},
        {"size": np.array([16, -1], np.int64)},
        {"offsets": np.array([0, 1], np.int64)},
        {"offsets": np.array([0, 5, 1], np.int64)},
        {"targets": np.array([7], np.int32)},
        {"flags": np.array([], np.uint8)},
    ],
)
def test_a_snapshot_that_contradicts_itself_is_refused(damage: dict[str, Any]) -> None:
    sound = heap_of("root -> a").snapshot

    with pytest.raises(MalformedGraph):
        heap_graph(dataclasses.replace(sound, **damage))
