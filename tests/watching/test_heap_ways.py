"""Why objects of drawn heaps are alive: the ways they are held, what they keep, who else."""

from __future__ import annotations

import numpy as np

from leakscope.model.explanation import TypeShare
from leakscope.model.heap import ObjectFlag
from leakscope.watching.heap_ways import explain_object, explain_type, ways_of
from tests.heaps import heap_of
from tests.views import drawn_view

SHOP = (
    "root:dict -> shop:module -> part:dict -> PENDING:list, INDEX:dict, CACHE:dict",
    *(f"PENDING -> r{i}:Record=40 -> q{i}:Request=100 -> b{i}:bytes=60" for i in range(6)),
    *(f"CACHE -> c{i}:Request=100" for i in range(2)),
    "INDEX -> q0, q1",
)
MODULES = {"shop": "shop.audit"}


def test_the_ways_in_which_objects_are_held_come_most_first() -> None:
    _, view = drawn_view(heap_of(*SHOP), modules=MODULES)

    found = explain_type(view, "Request")

    assert found is not None
    assert (found.objects, found.bytes, found.garbage, found.looked_at) == (8, 800, 0, 8)
    assert sorted((way.objects for way in found.ways), reverse=True) == [
        way.objects for way in found.ways
    ]
    edges = {tuple(step.edge for step in way.chain)[1]: way.objects for way in found.ways}
    assert edges[".CACHE"] == 2
    assert edges[".PENDING"] + edges.get(".INDEX", 0) == 6
    assert found.ways[0].chain[0].edge == "module shop.audit"


def test_what_would_be_freed_counts_what_is_shared_among_the_objects() -> None:
    heap = heap_of(
        "root:list -> a:Node=10, b:Node=10", "a, b -> shared:bytes=70", "root -> mine:str=5"
    )
    _, view = drawn_view(heap)

    found = explain_type(view, "Node")

    assert found is not None
    assert found.retained_bytes == 90


def test_one_object_is_told_with_all_that_holds_it() -> None:
    heap, view = drawn_view(heap_of(*SHOP), modules=MODULES)

    facts = explain_object(view, heap.row("q0"))

    assert (facts.bytes, facts.refcount) == (100, 2)
    held = {facts.chain[-1].edge, *(r.edge for r in facts.referrers)}
    assert len(facts.referrers) == 1
    assert held == {".q0"}
    assert {facts.chain[-2].type, facts.referrers[0].type} == {"dict", "Record"}
    assert facts.referrers[0].path in ("shop.audit.INDEX", "shop.audit.PENDING.r0")


def test_what_an_object_keeps_is_told_by_type_without_itself() -> None:
    heap, view = drawn_view(heap_of(*SHOP), modules=MODULES)

    facts = explain_object(view, heap.row("r5"))

    assert (facts.retained_bytes, facts.retained_objects) == (200, 3)
    assert facts.keeps == (TypeShare("Request", 1, 100), TypeShare("bytes", 1, 60))


def test_a_referrer_that_is_only_a_part_is_told_by_its_owner() -> None:
    heap, view = drawn_view(
        heap_of(
            "root:dict -> shop:module -> part:dict -> APP:App -> part1:dict -> request:Request",
            "part -> request",
        ),
        modules=MODULES,
    )

    facts = explain_object(view, heap.row("request"))

    assert [step.edge for step in facts.chain] == ["module shop.audit", ".request"]
    (other,) = facts.referrers
    assert (other.edge, other.type, other.path) == (".request", "App", "shop.audit.APP")


def test_garbage_is_said_to_be_garbage() -> None:
    heap, view = drawn_view(heap_of("root:list", "a:Node -> b:Node -> a"))

    found = explain_type(view, "Node")

    assert found is not None
    assert (found.garbage, found.ways, found.looked_at) == (2, (), 0)
    assert found.example is not None
    assert found.example.is_garbage
    assert explain_object(view, heap.row("a")).chain == ()


def test_a_type_of_which_there_is_nothing_has_no_explanation() -> None:
    _, view = drawn_view(heap_of("root:list"))

    assert explain_type(view, "shop.Order") is None


def test_an_object_that_is_never_freed_has_no_count() -> None:
    heap, view = drawn_view(
        heap_of("root:list -> none:NoneType", flags={"none": ObjectFlag.IMMORTAL})
    )

    assert explain_object(view, heap.row("none")).refcount is None


def test_objects_with_many_referrers_are_told_in_part() -> None:
    heap, view = drawn_view(heap_of(*(f"root{i}:list -> goal:Order" for i in range(30))))

    facts = explain_object(view, heap.row("goal"))

    assert len(facts.referrers) + facts.more_referrers == 29


def test_a_long_linked_list_is_followed_once() -> None:
    count = 12_000
    links = " -> ".join(f"n{i}:Node" for i in range(count))
    heap, view = drawn_view(heap_of(f"root:module -> {links}"))

    rows = np.sort(np.array([heap.row(f"n{i}") for i in range(count)], np.int32))
    found = ways_of(view, rows, looked_at=200)

    assert sum(map(len, found)) < 200
    assert explain_type(view, "Node") is not None
