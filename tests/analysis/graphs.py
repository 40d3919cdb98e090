"""Graphs for tests, and what is true of them by the plainest definition."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import strategies as st

from leakscope.analysis.kernels import SUPER_ROOT, UNREACHED, Csr, Rows

NODES = 12


def csr_of(nodes: int, edges: Iterable[tuple[int, int]]) -> Csr:
    lists: list[list[int]] = [[] for _ in range(nodes)]
    for start, end in edges:
        lists[start].append(end)
    offsets = np.cumsum([0, *map(len, lists)], dtype=np.int64)
    return Csr(offsets, np.array([end for ends in lists for end in ends], np.int32))


@st.composite
def graphs(draw: st.DrawFn) -> Csr:
    nodes = draw(st.integers(1, NODES))
    node = st.integers(0, nodes - 1)
    return csr_of(nodes, draw(st.lists(st.tuples(node, node), max_size=4 * nodes)))


@st.composite
def rooted_graphs(draw: st.DrawFn) -> tuple[Csr, list[int]]:
    graph = draw(graphs())
    return graph, draw(st.lists(st.integers(0, graph.nodes - 1), max_size=4))


def edges_of(graph: Csr) -> list[tuple[int, int]]:
    return [(u, int(v)) for u in range(graph.nodes) for v in graph.of(u)]


def rows(*numbers: int) -> Rows:
    return np.array(numbers, np.int32)


def reached_from(graph: Csr, starts: Sequence[int], without: int | None = None) -> set[int]:
    """Return what `starts` lead to when the node `without` is taken away."""
    seen = {start for start in starts if start != without}
    todo = list(seen)
    while todo:
        for end in map(int, graph.of(todo.pop())):
            if end != without and end not in seen:
                seen.add(end)
                todo.append(end)
    return seen


def dominators_by_definition(graph: Csr, roots: Sequence[int]) -> list[int]:
    """Return immediate dominators, found by taking every node away in turn."""
    alive = reached_from(graph, roots)
    above: dict[int, set[int]] = {node: set() for node in alive}
    for node in alive:
        for lost in alive - reached_from(graph, roots, without=node) - {node}:
            above[lost].add(node)
    nearest = [UNREACHED] * graph.nodes
    for node, dominators in above.items():
        # Dominators of one node form a chain: the nearest one has all the others above it.
        nearest[node] = max(dominators, key=lambda d: len(above[d]), default=SUPER_ROOT)
    return nearest


def networkx() -> Any:  # noqa: ANN401 - it has no types
    """Return networkx, the second opinion; where it is not installed, the test is skipped."""
    return pytest.importorskip("networkx")


def with_super_root(graph: Csr, roots: Sequence[int]) -> Any:  # noqa: ANN401
    """Return the graph as networkx has it, `SUPER_ROOT` leading to the roots."""
    drawn = networkx().DiGraph(edges_of(graph))
    drawn.add_nodes_from(range(graph.nodes))
    drawn.add_node(SUPER_ROOT)
    drawn.add_edges_from((SUPER_ROOT, root) for root in roots)
    return drawn
