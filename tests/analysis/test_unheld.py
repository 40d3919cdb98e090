"""What nobody holds who can be seen, and references that are counted and found nowhere."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from leakscope.analysis import kernels
from leakscope.analysis.dominators import dominated_heap
from leakscope.analysis.heapgraph import heap_graph, unseen_references
from leakscope.analysis.unheld import (
    Unseen,
    in_calls,
    strays_in,
    unheld_counts,
    unheld_objects,
    unseen_in,
)
from leakscope.model.heap import ObjectFlag
from tests.heaps import DrawnHeap, heap_of, random_edges
from tests.views import ascending

NOBODY = np.empty(0, np.int32)


def unheld_in(heap: DrawnHeap, *named: str) -> set[str]:
    rows = np.array([heap.row(name) for name in named], np.int32)
    unseen = unseen_references(heap.snapshot)
    return heap.named(unheld_objects(dominated_heap(heap_graph(heap.snapshot)), unseen, rows))


def test_references_are_counted_less_those_that_are_found() -> None:
    heap = heap_of("root -> a, b", "a -> b", held={"b": 3})

    assert dict(zip(heap.rows, unseen_references(heap.snapshot).tolist(), strict=True)) == {
        "root": 1,
        "a": 0,
        "b": 3,
    }


@pytest.mark.parametrize("flag", [ObjectFlag.IMMORTAL, ObjectFlag.STATIC])
def test_what_is_never_freed_says_nothing_by_its_count(flag: ObjectFlag) -> None:
    heap = heap_of("root -> none", flags={"none": flag}, refcounts={"none": 2**32 - 1})

    assert unseen_references(heap.snapshot)[heap.row("none")] == 0
    assert "none" not in unheld_in(heap)


def test_what_is_seen_more_often_than_counted_lacks_nothing() -> None:
    heap = heap_of("root -> a", refcounts={"a": 0})

    assert unseen_references(heap.snapshot)[heap.row("a")] == 0


def test_an_object_that_only_c_code_holds_is_held_by_nobody() -> None:
    heap = heap_of("root:module -> kept", "lost -> inside", held={"lost": 1, "kept": 1})

    assert unheld_in(heap, "root") == {"lost"}


def test_what_refers_back_to_an_object_that_keeps_it_does_not_hold_it() -> None:
    heap = heap_of("tree -> leaf -> tree", "loop -> loop", held={"tree": 1, "loop": 2})

    assert unheld_in(heap) == {"tree", "loop"}


def test_what_another_lost_object_refers_to_is_held_by_that() -> None:
    heap = heap_of("outer -> inner", held={"outer": 1, "inner": 1})

    assert unheld_in(heap) == {"outer"}


def test_garbage_holds_nothing_and_is_held_by_nothing() -> None:
    heap = heap_of("dead -> dead", "dead -> lost", held={"lost": 1})

    assert unheld_in(heap) == {"lost"}


@given(st.integers(2, 24), st.integers(0, 60), st.integers(0, 2**31))
def test_nobody_holds_what_all_that_refers_to_it_would_go_with(
    nodes: int, edges: int, seed: int
) -> None:
    offsets, targets = random_edges(nodes, edges, seed)
    lines = [f"n{node}" for node in range(nodes)]
    for node in range(nodes):
        lines += [f"n{node} -> n{end}" for end in targets[offsets[node] : offsets[node + 1]]]
    held = {f"n{n}": 1 for n in np.random.default_rng(seed).integers(0, nodes, nodes // 2)}
    heap = heap_of(*lines, held=held)
    graph = heap_graph(heap.snapshot)

    expected = set()
    for name in held:
        row = heap.row(name)
        gone = np.zeros(heap.snapshot.objects, np.bool_)
        gone[row] = True
        alive = kernels.reachable(graph.outgoing, graph.roots, blocked=gone)
        if not alive[graph.incoming.of(row)].any():
            expected.add(name)
    assert unheld_in(heap) == expected


def test_counts_are_by_name_whatever_types_share_it() -> None:
    heap = heap_of("root:dict -> cls:type", "a:list", "b:list", held={"a": 1, "b": 2, "cls": 5})
    graph = dominated_heap(heap_graph(heap.snapshot))

    unseen = unseen_references(heap.snapshot)
    counts = unheld_counts(heap.snapshot, unseen, unheld_objects(graph, unseen, NOBODY))

    assert dict(zip(counts.names, counts.objects.tolist(), strict=True)) == {
        "dict": 1,
        "list": 2,
        "type": 0,
    }
    assert dict(zip(counts.names, counts.references.tolist(), strict=True)) == {
        "dict": 1,
        "list": 3,
        "type": 5,
    }


def unseen(heap: DrawnHeap, *, all_objects: bool = False) -> Unseen:
    return unseen_in(heap.snapshot, unseen_references(heap.snapshot), all_objects=all_objects)


def strays(
    *heaps: DrawnHeap, threads: int = 1, greenlets: int = 0
) -> list[tuple[str, tuple[int, ...]]]:
    ordered = [ascending(heap) for heap in heaps]
    seen = [unseen(heap, all_objects=True) for heap in ordered]
    names = {ordered[-1].address(name): name for name in ordered[-1].rows}
    return [
        (names[each.address], each.references)
        for each in strays_in(seen, in_calls(threads, greenlets))
    ]


def counted(references: int, *more: str) -> DrawnHeap:
    return heap_of("root:dict -> cls:Settings", *more, held={"cls": references})


def test_references_that_only_rise_are_told_with_each_count() -> None:
    assert strays(counted(5), counted(40), counted(90)) == [("cls", (5, 40, 90))]


def test_references_that_come_and_go_are_not_told() -> None:
    assert strays(counted(5), counted(90), counted(80)) == []
    assert strays(counted(90), counted(5)) == []


@pytest.mark.parametrize(("threads", "greenlets"), [(0, 0), (1, 0), (5, 0), (1, 1000)])
def test_as_many_as_calls_may_hold_are_not_told(threads: int, greenlets: int) -> None:
    most = in_calls(threads, greenlets)

    def told(last: int) -> list[tuple[str, tuple[int, ...]]]:
        return strays(counted(0), counted(last), threads=threads, greenlets=greenlets)

    assert told(most) == []
    assert told(most + 1) == [("cls", (0, most + 1))]


def test_an_object_that_was_not_there_before_is_not_told() -> None:
    assert strays(heap_of("root:dict"), counted(90)) == []


def test_without_all_objects_only_what_lacked_references_before_is_known_to_have_been_there() -> (
    None
):
    seen = [unseen(ascending(counted(count))) for count in (0, 1, 60)]

    assert strays_in(seen, in_calls(1, 0)) == ()
    assert [each.references for each in strays_in(seen[1:], in_calls(1, 0))] == [(1, 60)]


def test_what_new_objects_may_hold_that_do_not_tell_is_not_told() -> None:
    dates = [f"root -> d{i}:datetime.datetime" for i in range(60)]

    assert strays(counted(5), counted(65, *dates)) == []
    assert strays(counted(5), counted(165, *dates)) == [("cls", (5, 165))]


def test_texts_may_be_held_by_new_objects_that_tell_other_things() -> None:
    def texts(references: int, *more: str) -> DrawnHeap:
        return heap_of("root:dict -> text:str", *more, held={"text": references})

    plain = [f"root -> l{i}:list -> x{i}:str" for i in range(60)]
    messages = [f"root -> m{i}:http.Message -> h{i}:dict" for i in range(60)]

    assert strays(texts(5), texts(65, *plain)) == [("text", (5, 65))]
    assert strays(texts(5), texts(65, *messages)) == []
