"""Chains through drawn heaps: which of several is told, and what is left out of it."""

from __future__ import annotations

import numpy as np
import pytest

from leakscope.analysis.heapgraph import heap_graph, rows_of_type
from leakscope.analysis.retention import retention_paths
from leakscope.watching.heap_chains import commonest, without_repetition
from leakscope.watching.heap_roots import KnownObjects, paths_apart, rows_at
from tests.heaps import DrawnHeap, heap_of
from tests.views import drawn_view


def chain_of_types(heap: DrawnHeap, *rows: str) -> list[list[str]]:
    chain = tuple(heap.row(name) for name in rows)
    return [heap.names(part) for part in without_repetition(heap.snapshot, chain)]


def linked(count: int) -> DrawnHeap:
    links = " -> ".join(f"n{i}:Node" for i in range(count))
    return heap_of(f"root:module -> head:Queue -> {links} -> value:Payload")


def test_a_linked_list_is_told_by_its_first_link() -> None:
    heap = linked(50)
    names = ["root", "head", *(f"n{i}" for i in range(50)), "value"]

    assert chain_of_types(heap, *names) == [["root", "head", "n0", "n1"], ["n49", "value"]]


def test_a_few_links_are_told_one_by_one() -> None:
    heap = linked(5)
    names = ["root", "head", *(f"n{i}" for i in range(5)), "value"]

    assert chain_of_types(heap, *names) == [names]


def test_a_list_whose_links_keep_their_attributes_in_dicts_is_one_too() -> None:
    names = ["root", *(f"{kind}{i}" for i in range(20) for kind in ("d", "n"))]
    typed = (f"{name}:{'dict' if name[0] == 'd' else 'Node'}" for name in names[1:])
    heap = heap_of("root:module -> " + " -> ".join(typed))

    assert chain_of_types(heap, *names) == [["root", "d0", "n0", "d1", "n1"], ["n19"]]


def test_the_chain_that_most_objects_share_is_told() -> None:
    leaked = [f"root:module -> kept:list -> leaked{i}:Request" for i in range(9)]
    heap = heap_of(*leaked, "root -> app:App -> busy:Request")
    paths = retention_paths(heap_graph(heap.snapshot))

    found = heap.names(commonest(heap.snapshot, paths, rows_of_type(heap.snapshot, "Request")))

    assert found[:2] == ["root", "kept"]


def test_no_chain_is_told_where_nothing_holds_the_objects() -> None:
    heap = heap_of("root:module -> kept:list", "cycle:Request -> cycle")
    paths = retention_paths(heap_graph(heap.snapshot))

    assert commonest(heap.snapshot, paths, rows_of_type(heap.snapshot, "Request")) == ()


def test_chains_lead_to_a_suspect_and_not_beyond() -> None:
    heap = heap_of(
        "root:module -> first:list -> request:Request -> second:list",
        "root -> app:App -> state:State -> queue:Queue -> second",
    )
    apart = np.array([heap.row("first"), heap.row("second")], np.int32)
    paths = paths_apart(heap_graph(heap.snapshot), np.array([heap.row("root")], np.int32), apart)

    assert heap.names(paths.to(heap.row("first"))) == ["root", "first"]
    assert heap.names(paths.to(heap.row("second"))) == ["root", "app", "state", "queue", "second"]


def in_order(*names: str, type_: str = "Request") -> DrawnHeap:
    """Return a heap whose objects are in order of address, as those of captures are."""
    addresses = {"root": 16, **{name: 16 * int(name[1:]) for name in names}}
    lines = (f"root:module -> {name}:{type_}" for name in names)
    return heap_of(*lines, addresses=addresses)


def test_what_was_not_there_before_is_new() -> None:
    before, after = in_order("r2", "r3"), in_order("r2", "r3", "r4", "r9")
    known = KnownObjects.of(before.snapshot)
    rows = rows_of_type(after.snapshot, "Request")

    assert after.names(known.new_of_type(after.snapshot, rows, "Request")) == ["r4", "r9"]


def test_an_address_that_was_another_types_is_new() -> None:
    before, after = in_order("r2", "r3", type_="Other"), in_order("r2", "r3")
    known = KnownObjects.of(before.snapshot)
    rows = rows_of_type(after.snapshot, "Request")

    assert after.names(known.new_of_type(after.snapshot, rows, "Request")) == ["r2", "r3"]


def sized(**sizes: int) -> DrawnHeap:
    lines = [f"root:module -> {name}:Buffer={size}" for name, size in sizes.items()]
    addresses = {"root": 16, **{name: 16 * int(name[1:]) for name in sizes}}
    return heap_of(*lines, addresses=addresses)


@pytest.mark.parametrize(
    ("after", "grown"),
    [
        ({"r2": 900, "r3": 5000, "r4": 100}, "r2"),  # in its place
        ({"r3": 5000, "r4": 100, "r9": 900}, "r9"),  # a larger one instead
        ({"r2": 150, "r3": 5050, "r4": 140}, None),  # all a little
        ({"r2": 100, "r3": 5000, "r4": 100}, None),
    ],
)
def test_which_object_grew_most_is_told_if_one_did(
    after: dict[str, int], grown: str | None
) -> None:
    known = KnownObjects.of(sized(r2=100, r3=5000, r4=100).snapshot)
    heap = sized(**after)
    rows = rows_of_type(heap.snapshot, "Buffer")

    found = known.grown_most(heap.snapshot, rows, "Buffer")

    assert (None if found is None else heap.names([found])[0]) == grown


def test_addresses_that_are_not_there_are_left_out() -> None:
    heap = in_order("r2", "r3")

    assert heap.names(rows_at(heap.snapshot, [48, 32, 8, 40, 4096])) == ["r3", "r2"]


def test_of_several_modules_that_name_an_object_the_best_known_tells_it() -> None:
    names = {"a": "concurrent.futures", "b": "_warnings", "c": "__main__", "d": "shop", "e": "os"}
    heap, view = drawn_view(
        heap_of(*(f"root:dict -> {name}:module -> TABLE:dict -> entry:Entry" for name in names)),
        modules=names,
    )

    told = [names[name] for name in heap.names(view.roots.modules)]

    assert told == [
        "shop",
        "os",
        "concurrent.futures",
        "_warnings",
        "__main__",
    ]
    assert view.paths.to(heap.row("entry"))[0] == heap.row("d")
