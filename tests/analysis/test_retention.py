"""Why an object is alive: which chain is shown, and in which words."""

from __future__ import annotations

from leakscope.analysis.heapgraph import heap_graph
from leakscope.analysis.retention import (
    holders,
    other_holders,
    retention_paths,
    shortest_chain,
    shortest_cycle,
)
from tests.analysis.graphs import rows
from tests.heaps import DrawnHeap, heap_of


def chain_to(heap: DrawnHeap, name: str, *, avoid: tuple[str, ...] = ()) -> list[str] | None:
    around = [heap.row(other) for other in avoid]
    chain = shortest_chain(heap_graph(heap.snapshot), heap.row(name), avoid=around)
    return None if chain is None else heap.names(chain)


def test_an_object_nothing_holds_has_no_chain() -> None:
    heap = heap_of("root -> session", "blob -> blob")

    assert chain_to(heap, "blob") is None


def test_the_chain_is_the_shortest() -> None:
    heap = heap_of("root -> a -> b -> goal", "root -> c -> goal")

    assert chain_to(heap, "goal") == ["root", "c", "goal"]


def test_a_root_is_its_own_chain() -> None:
    assert chain_to(heap_of("root -> a"), "root") == ["root"]


def test_a_chain_starts_at_a_module_even_where_an_unnamed_root_is_nearer() -> None:
    heap = heap_of(
        "root:dict -> shop:module -> names:dict -> PENDING:list -> goal", "root2 -> goal"
    )

    assert chain_to(heap, "goal") == ["shop", "names", "PENDING", "goal"]


def test_a_chain_leads_around_event_loops_and_caches_of_functions_where_it_can() -> None:
    heap = heap_of(
        "root:dict -> events:module -> loop:asyncio.unix_events._UnixSelectorEventLoop -> app",
        "root:dict -> web:module -> cached:functools._lru_cache_wrapper -> app",
        "root2:frame -> local -> way -> app -> PENDING:list -> goal",
    )
    graph = heap_graph(heap.snapshot)
    named = [rows(heap.row("events"), heap.row("web")), rows(heap.row("root2")), rows()]

    chain = retention_paths(graph, named=named).to(heap.row("goal"))

    assert heap.names(chain) == ["root2", "local", "way", "app", "PENDING", "goal"]


def test_a_chain_leads_through_a_cache_of_a_function_where_nothing_else_does() -> None:
    heap = heap_of(
        "root:dict -> web:module -> cached:functools._lru_cache_wrapper -> entry -> goal",
        "root2:frame -> other",
    )

    assert chain_to(heap, "goal") == ["web", "cached", "entry", "goal"]


def test_modules_are_known_by_either_of_their_names() -> None:
    heap = heap_of("root:dict -> shop:builtins.module -> goal", "root2 -> goal")

    assert chain_to(heap, "goal") == ["shop", "goal"]


def test_a_module_that_is_garbage_starts_no_chain() -> None:
    heap = heap_of("lost:module -> names -> lost", "names -> goal", "root -> a -> goal")

    assert chain_to(heap, "goal") == ["root", "a", "goal"]


def test_named_starts_are_preferred_class_by_class() -> None:
    heap = heap_of("root1 -> a -> b -> goal", "root2 -> goal", "root3 -> goal2 ", "root1 -> b")
    graph = heap_graph(heap.snapshot)

    paths = retention_paths(graph, named=[rows(heap.row("root1")), rows(heap.row("root2"))])

    assert heap.names(paths.to(heap.row("goal"))) == ["root1", "b", "goal"]
    assert heap.names(paths.to(heap.row("root2"))) == ["root2"]
    assert heap.names(paths.to(heap.row("goal2"))) == ["root3", "goal2"]


def test_a_chain_can_be_told_to_go_around_an_object() -> None:
    heap = heap_of("root -> a -> goal", "root -> b -> c -> goal")

    assert chain_to(heap, "goal", avoid=("a",)) == ["root", "b", "c", "goal"]
    assert chain_to(heap, "goal", avoid=("a", "c")) is None
    assert chain_to(heap, "goal", avoid=("goal", "a")) == ["root", "b", "c", "goal"]


def test_holders_are_what_keeps_an_object_from_without() -> None:
    heap = heap_of("root -> cache -> goal -> part -> goal", "root -> index -> goal", "goal -> goal")
    graph = heap_graph(heap.snapshot)
    chain = tuple(heap.row(name) for name in ("root", "cache", "goal"))

    assert heap.names(holders(graph, heap.row("goal"))) == ["cache", "index"]
    assert heap.names(other_holders(graph, chain)) == ["index"]


def test_garbage_holds_nothing() -> None:
    heap = heap_of("root -> goal", "lost -> lost", "lost -> goal")

    assert heap.names(holders(heap_graph(heap.snapshot), heap.row("goal"))) == ["root"]


def test_two_references_of_one_holder_are_one_holder() -> None:
    heap = heap_of("root -> goal", "root -> goal")

    assert heap.names(holders(heap_graph(heap.snapshot), heap.row("goal"))) == ["root"]


def test_the_cycle_that_holds_garbage_is_told() -> None:
    heap = heap_of("a -> b -> c -> a", "b -> far -> farther -> b", "root -> alive -> d")

    cycle = shortest_cycle(heap_graph(heap.snapshot), heap.row("a"))

    assert heap.names(cycle) == ["a", "b", "c", "a"]


def test_what_only_hangs_on_a_cycle_is_in_none() -> None:
    heap = heap_of("a -> a", "a -> hanging -> end")

    assert heap.names(shortest_cycle(heap_graph(heap.snapshot), heap.row("hanging"))) == ["hanging"]
