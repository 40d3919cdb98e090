"""Retained sizes on heaps small enough to check by eye."""

from __future__ import annotations

from leakscope.analysis.dominators import (
    dominated_by,
    dominator_tree,
    retained_bytes,
    retained_objects,
)
from leakscope.analysis.heapgraph import heap_graph
from leakscope.analysis.kernels import SUPER_ROOT, UNREACHED
from tests.heaps import heap_of


def test_an_object_retains_what_only_it_leads_to() -> None:
    heap = heap_of("root=1 -> cache=10 -> entry=100 -> shared=1000", "root -> shared")
    graph = heap_graph(heap.snapshot)
    tree = dominator_tree(graph)

    # `shared` is held by root as well: neither cache nor entry retains it.
    assert retained_bytes(graph, tree).tolist() == [1111, 110, 100, 1000]
    assert retained_objects(tree).tolist() == [4, 2, 1, 1]


def test_what_two_holders_share_belongs_to_what_holds_both() -> None:
    heap = heap_of("root -> app -> list, index -> order", "list -> order")
    tree = dominator_tree(heap_graph(heap.snapshot))

    assert heap.names(tree.above(heap.row("order"))) == ["app", "root"]
    assert heap.names(tree.children().of(heap.row("app"))) == ["list", "index", "order"]


def test_an_object_also_held_from_outside_is_retained_by_nobody() -> None:
    heap = heap_of("root -> cache -> entry", held={"entry": 1})
    tree = dominator_tree(heap_graph(heap.snapshot))

    assert tree.immediate[heap.row("entry")] == SUPER_ROOT
    assert heap.names(tree.tops()) == ["root", "entry"]


def test_garbage_is_in_no_tree_and_retains_nothing() -> None:
    heap = heap_of("root", "left -> right -> left")
    graph = heap_graph(heap.snapshot)
    tree = dominator_tree(graph)

    assert tree.immediate[heap.row("left")] == UNREACHED
    assert retained_bytes(graph, tree)[heap.row("left")] == 0


def test_what_an_object_dominates_can_be_listed() -> None:
    heap = heap_of("root -> a -> b -> c", "a -> d", "root -> e")
    children = dominator_tree(heap_graph(heap.snapshot)).children()

    assert heap.named(dominated_by(children, heap.row("a"))) == {"a", "b", "c", "d"}
    assert heap.named(dominated_by(children, heap.row("b"), heap.row("e"))) == {"b", "c", "e"}


def test_looking_upwards_stops_where_it_is_told() -> None:
    heap = heap_of("root -> a -> b -> c -> d")
    tree = dominator_tree(heap_graph(heap.snapshot))

    assert heap.names(tree.above(heap.row("d"), limit=2)) == ["c", "b"]
