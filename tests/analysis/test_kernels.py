"""The graph kernels against brute force, networkx, and shapes that break recursive code."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from leakscope.analysis import kernels
from leakscope.analysis.kernels import SUPER_ROOT, UNREACHED, Csr
from tests.analysis.graphs import (
    NODES,
    csr_of,
    dominators_by_definition,
    edges_of,
    graphs,
    networkx,
    reached_from,
    rooted_graphs,
    rows,
    with_super_root,
)
from tests.heaps import random_edges


def random_graph(seed: int, nodes: int = 300, edges: int = 700) -> Csr:
    return Csr(*random_edges(nodes, edges, seed))


def dominators(graph: Csr, *roots: int) -> list[int]:
    immediate, _ = kernels.dominators(graph, kernels.transpose(graph), rows(*roots))
    return [int(node) for node in immediate]


@given(graphs())
def test_turning_a_graph_round_turns_every_edge_round(graph: Csr) -> None:
    turned = kernels.transpose(graph)

    assert sorted((v, u) for u, v in edges_of(turned)) == sorted(edges_of(graph))
    assert all(turned.of(u).tolist() == sorted(turned.of(u)) for u in range(graph.nodes))


@given(st.lists(st.integers(-2, 6)))
def test_grouping_lists_the_indexes_of_each_key(keys: list[int]) -> None:
    groups = kernels.group(rows(*keys), 5)

    found = [groups.of(key).tolist() for key in range(5)]
    assert found == [[i for i, k in enumerate(keys) if k == key] for key in range(5)]


@given(rooted_graphs(), st.sets(st.integers(0, NODES - 1)))
def test_reachability_is_what_a_plain_search_finds(
    rooted: tuple[Csr, list[int]], closed: set[int]
) -> None:
    graph, roots = rooted
    blocked = np.isin(np.arange(graph.nodes), list(closed))

    seen = kernels.reachable(graph, rows(*roots), blocked=blocked)

    opened = csr_of(graph.nodes, [(u, v) for u, v in edges_of(graph) if v not in closed])
    expected = reached_from(opened, [root for root in roots if root not in closed])
    assert set(np.flatnonzero(seen)) == expected


@given(rooted_graphs())
def test_the_way_back_from_a_node_is_as_short_as_networkx_finds(
    rooted: tuple[Csr, list[int]],
) -> None:
    graph, roots = rooted
    found = kernels.traverse(graph, [rows(*roots)])

    expected = networkx().single_source_shortest_path_length(
        with_super_root(graph, roots), SUPER_ROOT
    )
    for node in range(graph.nodes):
        way = [node]
        while found.parents[way[-1]] >= 0:
            way.append(int(found.parents[way[-1]]))
            assert way[-2] in graph.of(way[-1])
        assert bool(found.seen[node]) == (node in expected)
        if found.seen[node]:
            assert len(way) == expected[node]
            assert way[-1] == roots[found.origins[node]]


def test_what_the_first_stage_reaches_is_left_to_no_later_stage_however_near() -> None:
    far_then_near = csr_of(5, [(0, 1), (1, 2), (3, 2), (3, 4)])

    found = kernels.traverse(far_then_near, [rows(0), rows(3)])

    assert found.parents.tolist() == [SUPER_ROOT, 0, 1, SUPER_ROOT, 3]
    assert found.origins.tolist() == [0, 0, 0, 1, 1]


@given(rooted_graphs())
@settings(max_examples=400)
def test_dominators_are_the_nodes_whose_loss_cuts_off(rooted: tuple[Csr, list[int]]) -> None:
    graph, roots = rooted

    assert dominators(graph, *roots) == dominators_by_definition(graph, roots)


@pytest.mark.parametrize("seed", range(25))
def test_dominators_of_random_graphs_are_those_networkx_finds(seed: int) -> None:
    graph = random_graph(seed, nodes=300, edges=300 + 40 * seed)
    roots = np.random.default_rng(seed).integers(0, 300, 1 + seed % 5).tolist()

    expected = networkx().immediate_dominators(with_super_root(graph, roots), SUPER_ROOT)
    found = dominators(graph, *roots)

    assert {n: d for n, d in enumerate(found) if d != UNREACHED} == {
        n: d for n, d in expected.items() if n != SUPER_ROOT
    }


@pytest.mark.parametrize("seed", range(10))
def test_retained_sizes_are_what_the_loss_of_a_node_sets_free(seed: int) -> None:
    graph = random_graph(seed, nodes=80, edges=160)
    roots = [0, 1]
    sizes = np.random.default_rng(seed).integers(0, 1000, 80)
    immediate, order = kernels.dominators(graph, kernels.transpose(graph), rows(*roots))

    retained = kernels.subtree_sums(immediate, order, sizes)

    alive = reached_from(graph, roots)
    for node in range(80):
        freed = alive - reached_from(graph, roots, without=node)
        assert retained[node] == sum(sizes[list(freed)])


def test_every_node_comes_after_its_dominator() -> None:
    graph = random_graph(7)
    immediate, order = kernels.dominators(graph, kernels.transpose(graph), rows(0, 5))
    place = {int(node): i for i, node in enumerate(order)}

    assert all(place[n] > place[int(immediate[n])] for n in place if immediate[n] >= 0)


def test_sums_that_do_not_fit_stop_at_the_largest_number() -> None:
    line = csr_of(2, [(0, 1)])
    immediate, order = kernels.dominators(line, kernels.transpose(line), rows(0))
    huge = np.array([2**62, 2**62], np.int64)

    assert kernels.subtree_sums(immediate, order, huge).tolist() == [2**63 - 1, 2**62]


def test_only_what_is_still_referred_to_as_before_is_carried() -> None:
    # 0 refers to 1 as before; 1 referred to 2 and now refers to 3; 2 moved under 4.
    earlier = csr_of(5, [(0, 1), (1, 2), (0, 4)])
    later = csr_of(5, [(0, 1), (1, 3), (0, 4), (4, 2)])

    same = rows(0, 1, 2, 3, 4)

    found = kernels.carried(later, earlier, same, rows(0))

    assert found.tolist() == [True, True, False, False, True]


@given(graphs(), graphs(), st.data())
def test_carried_nodes_are_those_reached_along_references_of_both_graphs(
    later: Csr, earlier: Csr, data: st.DataObject
) -> None:
    # Each earlier node is the match of at most one later node, as addresses are unique.
    places = data.draw(st.permutations(range(max(earlier.nodes, later.nodes))))
    match = [place if place < earlier.nodes else -1 for place in places[: later.nodes]]
    starts = [node for node in range(later.nodes) if match[node] >= 0][:2]
    before = set(edges_of(earlier))
    common = [(u, v) for u, v in edges_of(later) if (match[u], match[v]) in before]

    found = kernels.carried(later, earlier, rows(*match), rows(*starts))

    assert set(np.flatnonzero(found)) == reached_from(csr_of(later.nodes, common), starts)


def test_the_empty_graph_has_nothing() -> None:
    empty = csr_of(0, [])

    assert kernels.transpose(empty).nodes == 0
    assert kernels.reachable(empty, rows()).tolist() == []
    assert kernels.traverse(empty, []).parents.tolist() == []
    assert dominators(empty) == []


def test_nothing_is_reached_from_no_root() -> None:
    assert dominators(csr_of(2, [(0, 1), (1, 0)])) == [UNREACHED, UNREACHED]


def test_self_loops_and_parallel_edges_change_nothing() -> None:
    plain = csr_of(3, [(0, 1), (1, 2)])
    looped = csr_of(3, [(0, 0), (0, 1), (0, 1), (1, 1), (1, 2), (2, 2), (1, 2)])

    assert dominators(looped, 0) == dominators(plain, 0) == [SUPER_ROOT, 0, 1]


def test_a_root_below_another_root_is_dominated_by_neither() -> None:
    assert dominators(csr_of(2, [(0, 1)]), 0, 1) == [SUPER_ROOT, SUPER_ROOT]


def test_a_linked_list_of_five_million_nodes_needs_no_recursion() -> None:
    length = 5_000_000
    offsets = np.append(np.arange(length, dtype=np.int64), length - 1)
    line = Csr(offsets, np.arange(1, length, dtype=np.int32))

    immediate, order = kernels.dominators(line, kernels.transpose(line), rows(0))
    sums = kernels.subtree_sums(immediate, order, np.ones(length, np.int64))

    assert np.array_equal(immediate, np.arange(-1, length - 1))
    assert np.array_equal(sums, np.arange(length, 0, -1))
    assert kernels.traverse(line, [rows(0)]).parents[-1] == length - 2


def test_one_object_may_hold_ten_million_references() -> None:
    many = 10_000_000
    offsets = np.array([0, many, many], np.int64)
    graph = Csr(offsets, np.ones(many, np.int32))

    assert dominators(graph, 0) == [SUPER_ROOT, 0]
    assert kernels.reachable(graph, rows(0)).tolist() == [True, True]


@pytest.mark.parametrize(
    ("offsets", "targets"),
    [
        ([1, 1], [0]),
        ([0, 2], [0]),
        ([0, 1, 0, 1], [0]),
        ([0, -1, 1], [0]),
        ([0, 2**62, 1], [0]),
        ([0, 1], [1]),
        ([0, 1], [-1]),
        ([0, 1], [2**31 - 1]),
    ],
)
def test_a_graph_that_contradicts_itself_is_refused(offsets: list[int], targets: list[int]) -> None:
    graph = Csr(np.array(offsets, np.int64), np.array(targets, np.int32))

    with pytest.raises(kernels.MalformedGraph):
        kernels.check(graph)
    with pytest.raises(kernels.MalformedGraph):
        kernels.transpose(graph)
    with pytest.raises(kernels.MalformedGraph):
        kernels.dominators(graph, graph, rows())
    with pytest.raises(kernels.MalformedGraph):
        kernels.reachable(graph, rows())
    with pytest.raises(kernels.MalformedGraph):
        kernels.carried(csr_of(1, []), graph, rows(0), rows(0))


@pytest.mark.parametrize("root", [-1, 2, 2**31 - 1])
def test_roots_that_are_no_nodes_are_refused(root: int) -> None:
    graph = csr_of(2, [(0, 1)])

    with pytest.raises(kernels.MalformedGraph):
        dominators(graph, root)
    with pytest.raises(kernels.MalformedGraph):
        kernels.reachable(graph, rows(root))
    with pytest.raises(kernels.MalformedGraph):
        kernels.carried(graph, graph, rows(0, 1), rows(root))


def test_arrays_of_the_wrong_length_are_refused() -> None:
    graph = csr_of(2, [(0, 1)])

    with pytest.raises(kernels.MalformedGraph):
        kernels.dominators(graph, csr_of(1, []), rows(0))
    with pytest.raises(kernels.MalformedGraph):
        kernels.reachable(graph, rows(0), blocked=np.zeros(1, np.bool_))
    with pytest.raises(kernels.MalformedGraph):
        kernels.carried(graph, graph, rows(0), rows(0))
    with pytest.raises(kernels.MalformedGraph):
        kernels.subtree_sums(rows(-1, 0), rows(0, 1), np.ones(1, np.int64))
    with pytest.raises(kernels.MalformedGraph):
        kernels.claims(rows(-1, 0), rows(0, 1), np.ones(1, np.int64), 1)


def test_a_tree_that_leads_nowhere_is_refused() -> None:
    ones = np.ones(2, np.int64)
    for immediate, order in ((rows(-3, 0), rows(0, 1)), (rows(-1, 2), rows(0, 1))):
        with pytest.raises(kernels.MalformedGraph):
            kernels.subtree_sums(immediate, order, ones)
    for order in (rows(0, 2), rows(0, -1), rows(0, 1, 1)):
        with pytest.raises(kernels.MalformedGraph):
            kernels.claims(rows(-1, 0), order, ones, 1)


@given(
    st.lists(st.integers(-3, 9), max_size=9),
    st.lists(st.integers(-3, 9), max_size=9),
    st.lists(st.integers(-3, 9), max_size=3),
)
def test_arbitrary_arrays_never_crash(
    offsets: list[int], targets: list[int], roots: list[int]
) -> None:
    try:
        graph = Csr(np.array(offsets, np.int64), np.array(targets, np.int32))
        immediate, order = kernels.dominators(graph, graph, rows(*roots))
        kernels.traverse(graph, [rows(*roots)])
    except kernels.MalformedGraph:
        return
    assert len(immediate) == len(offsets) - 1
    assert set(order) == set(np.flatnonzero(immediate != UNREACHED))


@given(rooted_graphs(), st.data())
def test_claims_are_disjoint_and_as_deep_as_they_can_be(
    rooted: tuple[Csr, list[int]], data: st.DataObject
) -> None:
    graph, roots = rooted
    weight = st.integers(-5, 20)
    weights = data.draw(st.lists(weight, min_size=graph.nodes, max_size=graph.nodes))
    immediate, order = kernels.dominators(graph, kernels.transpose(graph), rows(*roots))

    claimed, amounts = kernels.claims(immediate, order, np.array(weights, np.int64), 10)

    passed_on = [0] * graph.nodes
    for node in reversed(order.tolist()):
        gathered = max(0, weights[node]) + passed_on[node]
        assert bool(claimed[node]) == (gathered >= 10)
        assert amounts[node] == (gathered if gathered >= 10 else 0)
        if gathered < 10 and immediate[node] >= 0:
            passed_on[int(immediate[node])] += gathered


def test_a_node_forced_to_keep_what_it_gathers_passes_nothing_on() -> None:
    line = csr_of(3, [(0, 1), (1, 2)])
    immediate, order = kernels.dominators(line, kernels.transpose(line), rows(0))
    weights = np.array([4, 3, 3], np.int64)

    found = kernels.claims(immediate, order, weights, 10, forced=np.array([False, True, False]))

    assert found[0].tolist() == [False, True, False]
    assert found[1].tolist() == [0, 6, 0]
