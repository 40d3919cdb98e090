"""What goes when one entry of a container goes: arithmetic on what the payload saw around it.

As gc does it: an object is held from outside if it has more references than were seen among the
objects of the graph. What is reachable from such an object without passing through the entry stays
when the entry goes; the rest is retained by the entry.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from leakscope.model.explanation import EXPLAINS
from leakscope.model.typenames import is_plain, leading, telling


@dataclass(frozen=True, slots=True)
class Node:
    """One object near an entry."""

    address: int
    references: int
    """How many references there are to it, from anywhere."""
    size: int
    type: str
    referents: tuple[int, ...]
    """Indices of the objects that it refers to; empty where it was not explored."""
    is_code: bool = False


@dataclass(frozen=True, slots=True)
class EntryGraph:
    """The objects around one entry. The first `len(edges)` are those of the entry itself."""

    edges: tuple[str, ...]
    """How the container refers to each object of the entry."""
    nodes: tuple[Node, ...]

    @property
    def roots(self) -> range:
        """Indices of the objects of the entry itself."""
        return range(len(self.edges))


@dataclass(frozen=True, slots=True)
class Headline:
    """The object that accounts for most of an entry, and the way to it."""

    edge: str
    way: tuple[int, ...]
    """Indices, from an object of the entry itself to the headline."""


def retained(graph: EntryGraph) -> frozenset[int]:
    """Return the indices of the objects that only the entry keeps alive, itself included.

    Of a dict entry whose key or value is also held elsewhere, that one is not included.
    """
    seen = [0] * len(graph.nodes)
    for node in graph.nodes:
        for to in node.referents:
            seen[to] += 1
    entry = set(graph.roots)
    outside = [
        at
        for at, node in enumerate(graph.nodes)
        if node.references > seen[at] + (at in entry) and (at not in entry or _is_atom(node, graph))
    ]
    return frozenset(range(len(graph.nodes))) - _reachable(graph, outside, entry)


def _is_atom(node: Node, graph: EntryGraph) -> bool:
    """Return whether an object of an entry with others is merely a value that many share."""
    return len(graph.edges) > 1 and node.type in ("builtins.str", "builtins.int", "builtins.bytes")


def _reachable(graph: EntryGraph, starts: Iterable[int], barrier: set[int]) -> set[int]:
    """Return `starts` and all that is reachable from them without going through `barrier`."""
    found = set(starts)
    pending = list(found)
    while pending:
        for to in graph.nodes[pending.pop()].referents:
            if to not in found and to not in barrier:
                found.add(to)
                pending.append(to)
    return found


def shares(graph: EntryGraph, kept: frozenset[int]) -> dict[str, tuple[int, int]]:
    """Return objects and bytes of what an entry retains, by type."""
    totals: dict[str, tuple[int, int]] = {}
    for at in kept:
        node = graph.nodes[at]
        objects, size = totals.get(node.type, (0, 0))
        totals[node.type] = (objects + 1, size + node.size)
    return totals


def headline(graph: EntryGraph, kept: frozenset[int]) -> Headline | None:
    """Return the object that an engineer would name as what leaks; None for an empty graph.

    Goes down from the entry as long as one object accounts for most of its bytes; of the objects
    on the way it is the one that `leading` names.
    """
    if not any(root in kept for root in graph.roots):
        return None
    parents = _dominators(graph, kept)
    sizes = _retained_sizes(graph, parents)
    line = _heavy_line(graph, parents, sizes)
    code = [at for at in line if graph.nodes[at].is_code]
    names = [graph.nodes[at].type for at in line]
    chosen = code[0] if code else line[leading(names, [sizes[at] for at in line])]
    way = _shortest_way(graph, kept, chosen)
    return Headline(graph.edges[way[0]], way)


def _heavy_line(graph: EntryGraph, parents: dict[int, int], sizes: dict[int, int]) -> list[int]:
    """Return the objects, from the entry on, that each account for most of the entry.

    The most telling object of the entry comes first, whatever its share. What a plain container
    takes for itself counts for nobody.
    """
    below: dict[int, list[int]] = {}
    for at, parent in parents.items():
        below.setdefault(parent, []).append(at)
    line: list[int] = []
    total = sum(sizes[at] for at in below[-1])
    candidates = below[-1]
    while candidates:
        if line:
            heaviest = max(candidates, key=lambda at: (sizes[at], -at))
        else:
            types = [graph.nodes[at].type for at in candidates]
            heaviest = candidates[telling(types, [sizes[at] for at in candidates])]
            total = min(total, sizes[heaviest])
        if line and sizes[heaviest] < EXPLAINS * total:
            break
        line.append(heaviest)
        if is_plain(graph.nodes[heaviest].type):
            total = min(total, sizes[heaviest]) - graph.nodes[heaviest].size
        candidates = below.get(heaviest, [])
    return line


def _depth(parents: dict[int, int], at: int) -> int:
    depth = 0
    while at in parents:
        at = parents[at]
        depth += 1
    return depth


def _retained_sizes(graph: EntryGraph, parents: dict[int, int]) -> dict[int, int]:
    """Return the bytes that go with each object: its own and those of what it dominates."""
    sizes = {at: graph.nodes[at].size for at in parents}
    for at in sorted(parents, key=lambda n: -_depth(parents, n)):
        if parents[at] in sizes:
            sizes[parents[at]] += sizes[at]
    return sizes


def _dominators(graph: EntryGraph, kept: frozenset[int]) -> dict[int, int]:
    """Return the immediate dominator of each object; -1 above the objects of the entry.

    The method of Cooper, Harvey and Kennedy, "A simple, fast dominance algorithm".
    """
    order = _postorder(graph, kept)
    rank = {at: place for place, at in enumerate(order)}
    rank[-1] = len(order)
    referrers: dict[int, list[int]] = {at: [] for at in order}
    for at in order:
        for to in graph.nodes[at].referents:
            if to in rank:
                referrers[to].append(at)
    for root in graph.roots:
        if root in referrers:
            referrers[root].append(-1)
    above = {-1: -1}
    changed = True
    while changed:
        changed = False
        for at in reversed(order):
            candidates = [r for r in referrers[at] if r in above]
            nearest = candidates[0]
            for other in candidates[1:]:
                nearest = _meet(nearest, other, above, rank)
            changed |= above.get(at) != nearest
            above[at] = nearest
    return {at: above[at] for at in order}


def _meet(one: int, other: int, above: dict[int, int], rank: dict[int, int]) -> int:
    while one != other:
        while rank[one] < rank[other]:
            one = above[one]
        while rank[other] < rank[one]:
            other = above[other]
    return one


def _postorder(graph: EntryGraph, kept: frozenset[int]) -> list[int]:
    """Return the retained objects that the entry reaches, each after those it reaches first."""
    order: list[int] = []
    seen = set(graph.roots)
    stack = [(r, iter(graph.nodes[r].referents)) for r in reversed(graph.roots) if r in kept]
    while stack:
        at, referents = stack[-1]
        to = next((t for t in referents if t in kept and t not in seen), None)
        if to is None:
            stack.pop()
            order.append(at)
        else:
            seen.add(to)
            stack.append((to, iter(graph.nodes[to].referents)))
    return order


def _shortest_way(graph: EntryGraph, kept: frozenset[int], goal: int) -> tuple[int, ...]:
    """Return the shortest way from an object of the entry to `goal` among retained objects."""
    came: dict[int, int] = {r: -1 for r in graph.roots if r in kept}
    pending = deque(came)
    while pending and goal not in came:
        at = pending.popleft()
        for to in graph.nodes[at].referents:
            if to in kept and to not in came:
                came[to] = at
                pending.append(to)
    way = [goal]
    while came[way[-1]] != -1:
        way.append(came[way[-1]])
    return tuple(reversed(way))


def way_to_code(graph: EntryGraph, kept: frozenset[int], way: Sequence[int]) -> tuple[int, ...]:
    """Return the way to the code that best tells where an entry comes from; empty without any.

    The headline if it is code, else the code nearest to the entry that it retains.
    """
    if way and graph.nodes[way[-1]].is_code:
        return tuple(way)
    reached = _postorder(graph, kept)
    ways = [_shortest_way(graph, kept, at) for at in reached if graph.nodes[at].is_code]
    return min(ways, key=lambda w: (len(w), w), default=())
