"""What goes with an entry, on graphs drawn as `holder -> a b`."""

import random

import pytest

from leakscope.capture.entry_graph import (
    EntryGraph,
    Node,
    headline,
    retained,
    shares,
    way_to_code,
)


def entry(
    *lines: str, sizes: dict[str, int] | None = None, held: str = "", code: str = ""
) -> EntryGraph:
    """Draw the graph of one entry, whose object the first line starts with.

    `a -> b c` says that `a` refers to `b` and `c`. A name is also the type: `app.Thing` or, for a
    plain container, `list` and the like with a number (`list1`). `held` names those that
    something outside refers to as well, `code` those that are code. Sizes are 10 by default.
    """
    names: list[str] = []
    references: dict[str, list[str]] = {}
    for line in lines:
        start, _, ends = line.partition("->")
        references[start.strip()] = ends.split()
        names += [n for n in (start.strip(), *ends.split()) if n not in names]
    counts = {n: sum(ends.count(n) for ends in references.values()) for n in names}
    counts[names[0]] += 1
    for name in held.split():
        counts[name] += 1
    return EntryGraph(
        ("[*]",),
        tuple(
            Node(
                address=at,
                references=counts[name],
                size=(sizes or {}).get(name, 10),
                type=name if "." in name else "builtins." + name.rstrip("0123456789"),
                referents=tuple(names.index(n) for n in references.get(name, [])),
                is_code=name in code.split(),
            )
            for at, name in enumerate(names)
        ),
    )


def types_of(graph: EntryGraph, found: frozenset[int]) -> set[str]:
    return {graph.nodes[at].type for at in found}


def chosen(graph: EntryGraph) -> list[str]:
    found = headline(graph, retained(graph))
    assert found is not None
    return [graph.nodes[at].type for at in found.way]


def test_an_entry_keeps_what_only_it_refers_to() -> None:
    graph = entry("app.Record -> app.Request", "app.Request -> str1 app.Config", held="app.Config")

    assert types_of(graph, retained(graph)) == {"app.Record", "app.Request", "builtins.str"}


def test_what_a_shared_object_reaches_is_not_the_entrys() -> None:
    graph = entry("app.Record -> app.Shared app.Own", "app.Shared -> app.Below", held="app.Shared")

    assert types_of(graph, retained(graph)) == {"app.Record", "app.Own"}


def test_a_cycle_goes_with_its_entry() -> None:
    graph = entry(
        "app.Future -> app.Task",
        "app.Task -> app.Coroutine app.Future",
        "app.Coroutine -> app.Task",
    )

    assert len(retained(graph)) == 3


def test_a_cycle_that_somebody_else_holds_stays() -> None:
    graph = entry("app.Future -> app.Task", "app.Task -> app.Future app.Local", held="app.Task")

    assert types_of(graph, retained(graph)) == {"app.Future"}


def test_an_entry_that_is_held_elsewhere_too_still_counts_as_the_containers() -> None:
    graph = entry("app.Request -> str1", held="app.Request")

    assert types_of(graph, retained(graph)) == {"app.Request", "builtins.str"}


def test_a_key_that_many_entries_share_is_not_the_entrys() -> None:
    graph = EntryGraph(
        ("[*]", "<key>"),
        (Node(0, 1, 10, "app.Value", ()), Node(1, 5000, 10, "builtins.str", ())),
    )

    assert types_of(graph, retained(graph)) == {"app.Value"}


def test_shares_add_up_by_type() -> None:
    graph = entry("app.Record -> list1 list2", sizes={"app.Record": 48, "list1": 56, "list2": 88})

    assert shares(graph, retained(graph)) == {"app.Record": (1, 48), "builtins.list": (2, 144)}


@pytest.mark.parametrize(
    ("graph", "way"),
    [
        pytest.param(
            entry("app.Record -> app.Request", "app.Request -> dict1", sizes={"dict1": 900}),
            ["app.Record", "app.Request"],
            id="a record around a request",
        ),
        pytest.param(
            entry(
                "tuple1 -> app.Policy int1",
                "app.Policy -> list1",
                sizes={"tuple1": 640, "list1": 100},
            ),
            ["builtins.tuple", "app.Policy"],
            id="what a plain container takes for itself counts for nobody",
        ),
        pytest.param(
            entry("dict1 -> bytes1 str1", sizes={"bytes1": 2000}),
            ["builtins.dict"],
            id="a dict stays a dict however large its value",
        ),
        pytest.param(
            entry("app.Session -> dict1", "dict1 -> bytes1", sizes={"bytes1": 2000}),
            ["app.Session"],
            id="the owner, not the buffer",
        ),
        pytest.param(
            entry("app.Pair -> app.Left app.Right", sizes={"app.Left": 100, "app.Right": 100}),
            ["app.Pair"],
            id="nobody speaks for two alike",
        ),
        pytest.param(
            entry(
                "future1 -> app.Task",
                "app.Task -> coroutine1",
                "coroutine1 -> app.Request",
                sizes={"app.Request": 9000},
                code="app.Task coroutine1",
            ),
            ["builtins.future", "app.Task"],
            id="a task, whatever it has in its hands",
        ),
        pytest.param(
            entry(
                "function1 -> tuple1",
                "tuple1 -> cell1",
                "cell1 -> app.Body",
                sizes={"app.Body": 9000},
                code="function1",
            ),
            ["builtins.function"],
            id="a function with what it closes over",
        ),
    ],
)
def test_the_headline_is_what_an_engineer_would_name(graph: EntryGraph, way: list[str]) -> None:
    assert chosen(graph) == way


def test_the_way_to_code_is_to_the_nearest_that_goes_with_the_entry() -> None:
    graph = entry(
        "app.Job -> app.State app.Free",
        "app.State -> app.Task",
        "app.Free -> app.Other",
        held="app.Other",
        code="app.Task app.Other",
    )

    assert way_to_code(graph, retained(graph), (0,)) == (0, 1, 3)


def test_an_entry_without_code_has_no_way_to_it() -> None:
    graph = entry("app.Job -> app.State")

    assert way_to_code(graph, retained(graph), (0,)) == ()


@pytest.mark.parametrize("seed", range(60))
def test_retained_is_what_collecting_by_hand_would_free(seed: int) -> None:
    graph = random_entry(random.Random(seed))

    assert retained(graph) == freed_by_hand(graph)


@pytest.mark.parametrize("seed", range(60))
def test_the_headline_accounts_for_most_of_the_entry(seed: int) -> None:
    graph = random_entry(random.Random(seed))
    kept = retained(graph)
    found = headline(graph, kept)
    assert found is not None
    lost = kept - without(graph, kept, found.way[-1])

    total = sum(graph.nodes[at].size for at in kept)
    plain = sum(graph.nodes[at].size for at in kept if "builtins" in graph.nodes[at].type)
    assert sum(graph.nodes[at].size for at in lost) >= 0.8 * (total - plain) or len(found.way) == 1
    assert all(
        b in graph.nodes[a].referents for a, b in zip(found.way, found.way[1:], strict=False)
    )


def random_entry(source: random.Random) -> EntryGraph:
    """Return an entry with up to 12 objects, some of them held from outside."""
    count = source.randint(1, 12)
    referents = [
        tuple(source.sample(range(count), source.randint(0, min(3, count)))) for _ in range(count)
    ]
    seen = [sum(ends.count(at) for ends in referents) for at in range(count)]
    return EntryGraph(
        ("[*]",),
        tuple(
            Node(
                at,
                seen[at] + (at == 0 or source.random() < 0.2),
                source.choice((10, 100, 1000)),
                source.choice(("app.Thing", "builtins.list")),
                referents[at],
            )
            for at in range(count)
        ),
    )


def freed_by_hand(graph: EntryGraph) -> frozenset[int]:
    """Return what is unreachable once the container lets the entry go, step by step."""
    seen = [0] * len(graph.nodes)
    for node in graph.nodes:
        for to in node.referents:
            seen[to] += 1
    alive = {at for at, node in enumerate(graph.nodes) if at and node.references > seen[at]}
    while True:
        more = {to for at in alive for to in graph.nodes[at].referents if to} - alive
        if not more:
            return frozenset(range(len(graph.nodes))) - alive
        alive |= more


def without(graph: EntryGraph, kept: frozenset[int], gone: int) -> frozenset[int]:
    """Return which of `kept` the entry still reaches when one object is taken away."""
    reached = {0} - {gone}
    while True:
        more = {to for at in reached for to in graph.nodes[at].referents} & kept - reached - {gone}
        if not more:
            return frozenset(reached)
        reached |= more
