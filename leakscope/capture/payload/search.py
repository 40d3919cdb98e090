"""The way from the suspects back to something that has a name.

A breadth-first search along references, backwards, for all suspects at once. A step scans the heap
once for the referrers of a few objects and then returns, so that the caller can let the target run
between steps. Modules are recognised by what they refer to (see `roots`).
"""

from __future__ import annotations

from collections import _count_elements  # type: ignore[attr-defined]
from gc import get_referents
from typing import TYPE_CHECKING

from leakscope.capture.payload.classes import FRAME, inherits, type_name
from leakscope.capture.payload.held import HELD
from leakscope.capture.payload.modules import MODULE, loaded_modules, named_by_modules
from leakscope.capture.payload.own import own_containers
from leakscope.capture.payload.referrers import referrers_of, referrers_of_tuples
from leakscope.capture.payload.roots import named_by_threads

if TYPE_CHECKING:
    from leakscope.capture.payload.passes import Thing

_NODES: dict[int, Thing] = {}
"""What was reached, nearest first; None for a plain tuple."""
_NEARER: dict[int, list[int]] = {}
"""For each node, the nodes one reference nearer to a suspect."""
_SUSPECTS: set[int] = set()
_FRONTIER: list[int] = []
_ROOTS: dict[int, tuple[str, str]] = {}
"""Module and global name of the nodes that a module refers to."""
_FARTHER: dict[int, int] = {}
"""For nodes with a way to a root, the next node on it; a root has itself."""
_NAMESPACES: set[int] = set()
_RUNNING: dict[int, tuple[str, str, str]] = {}
"""Thread, frame and variable for all that running functions refer to, by address."""
_DISTANCE: dict[int, int] = {}
"""References from each node to the nearest suspect."""
_FAR_ENOUGH: dict[int, int] = {}
"""For suspects that a running function leads to, the distance to which a module is sought."""

_BARRIERS: set[int] = set()
"""Nodes that ways may lead through only where there is no other.

Other suspects, and caches of functions that happen to have an object on the way as an argument.
"""
_CACHE_OF_A_FUNCTION = "functools._lru_cache_wrapper"

BETTER_BY = 5
"""How many references farther away a module may be and still is the better root."""
_PER_TYPE = 4
_PER_NODE = 12
_LONGEST_LOOK = 6000


def search_begin(addresses: list[int], apart: bool) -> None:
    """Start looking for the ways to the held objects at `addresses`.

    `apart`: not through one another, as long as that can be avoided (see `search_through`).
    """
    search_end()
    _NAMESPACES.update([id(namespace) for _, namespace in loaded_modules()])
    _RUNNING.update(named_by_threads())
    for address in addresses:
        if address in HELD:
            _SUSPECTS.add(address)
            _NODES[address] = HELD[address]
            _NEARER[address] = []
            _DISTANCE[address] = 0
            _FRONTIER.append(address)
    if apart:
        _BARRIERS.update(_SUSPECTS)
    _name_roots(list(_NODES))


def search_through() -> None:
    """Allow ways that were avoided so far, for those suspects that have no other."""
    through = [node for node in _BARRIERS if node in _FARTHER]
    _BARRIERS.clear()
    for node in through:
        _spread(node)


def search_step(width: int) -> bool:
    """Look for the referrers of the next `width` nodes; return whether there is more to do."""
    batch: list[int] = []
    while _FRONTIER and len(batch) < width:
        node = _FRONTIER.pop(0)
        if _leads_to_unnamed(node):
            batch.append(node)
    if batch:
        _name_roots(_link(_referrers(batch), set(batch)))
    return bool(batch)


def search_end() -> None:
    """Let go of everything that was reached."""
    for found in (_NODES, _NEARER, _FARTHER, _ROOTS, _RUNNING, _DISTANCE, _FAR_ENOUGH):
        found.clear()
    for addresses in (_SUSPECTS, _BARRIERS, _NAMESPACES):
        addresses.clear()
    _FRONTIER.clear()


def way_from_root(address: int) -> list[int]:
    """Return the nodes from one that a module names to the suspect; empty if there is no way."""
    if address not in _FARTHER:
        return []
    way = [address]
    while _FARTHER[way[-1]] != way[-1]:
        way.append(_FARTHER[way[-1]])
    return way[::-1]


def ways_to(address: int) -> dict[int, list[int]]:
    """Return, for every node that leads to the suspect, the nodes from it; nearest node first."""
    farther: dict[int, list[int]] = {}
    for node in _NODES:
        for nearer in _NEARER[node]:
            farther.setdefault(nearer, []).append(node)
    ways = {address: [address]}
    pending = [address]
    for nearer in pending:
        for node in farther.get(nearer, ()):
            if node not in ways:
                ways[node] = [node, *ways[nearer]]
                pending.append(node)
    return ways


def _referrers(batch: list[int]) -> list[Thing]:
    held = [_NODES[i] for i in batch if _NODES[i] is not None]
    tuples = {i for i in batch if _NODES[i] is None}
    found = referrers_of(held) if held else []
    if tuples:
        found += referrers_of_tuples(tuples)
    ours = {id(held), *own_containers()}
    return [x for x in found if id(x) not in ours and not _is_our_frame(x)]


def _is_our_frame(value: Thing) -> bool:
    return type(value) is FRAME and value.f_globals is globals()


def _link(found: list[Thing], batch: set[int]) -> list[int]:
    """Make nodes of the most telling of what was found, rare kinds first; return the new ones.

    Of the many that may refer to one object, only some of each kind are followed.
    """
    new: list[int] = []
    kinds = list(map(_kind, found))
    frequency: dict[object, int] = {}
    _count_elements(frequency, kinds)
    followed: dict[object, int] = {}
    rare_first = sorted(range(len(found)), key=lambda at: frequency[kinds[at]])
    for at in rare_first[:_LONGEST_LOOK]:
        value = found[at]
        node, referents = _node(value)
        if node in _NAMESPACES:
            continue
        nearer = []
        for child in set(filter(batch.__contains__, referents)):
            alike = (child, kinds[at])
            followed[alike] = followed.get(alike, 0) + 1
            followed[child] = followed.get(child, 0) + 1
            if followed[alike] <= _PER_TYPE and followed[child] <= _PER_NODE:
                nearer.append(child)
        if nearer:
            _add(node, value, nearer, new)
    return new


def _kind(value: Thing) -> object:
    """Return the id of a type; of a dict also its length and first key: which class's it may be."""
    if type(value) is not dict:
        return id(type(value))
    return (len(value), id(next(iter(value), None)))


def _add(node: int, value: Thing, nearer: list[int], new: list[int]) -> None:
    if node in _NODES:
        _NEARER[node] += [n for n in nearer if n not in _NEARER[node] and n != node]
        if node in _FARTHER:
            _spread(node)
        return
    _NODES[node] = None if type(value) is tuple else value
    _NEARER[node] = nearer
    _DISTANCE[node] = 1 + min(map(_DISTANCE.__getitem__, nearer))
    if type_name(type(value)) == _CACHE_OF_A_FUNCTION and _SUSPECTS.isdisjoint(nearer):
        _BARRIERS.add(node)
    new.append(node)
    if not inherits(type(value), type):
        _FRONTIER.append(node)


def _node(value: Thing) -> tuple[int, list[int]]:
    """Return address and referents of what `referrers_of` gave."""
    if type(value) is tuple:
        node, referents = value
        return node, referents
    if inherits(type(value), MODULE):
        return id(value), []
    return id(value), list(map(id, get_referents(value)))


def _name_roots(nodes: list[int]) -> None:
    """Note which of `nodes` a module refers to, and every node that has a way to a root now."""
    named = named_by_modules(set(nodes))
    for node in nodes:
        if node in named:
            _ROOTS[node] = named[node]
            _FARTHER[node] = node
            _spread(node)
        elif node in _RUNNING:
            for suspect in _suspects_below(node):
                _FAR_ENOUGH.setdefault(suspect, _DISTANCE[node] + BETTER_BY)


def _spread(node: int) -> None:
    """Give all nodes nearer to the suspects a way to a root through `node`."""
    spreading = [node]
    while spreading:
        farther = spreading.pop(0)
        if farther in _BARRIERS:
            continue
        for nearer in _NEARER[farther]:
            if nearer not in _FARTHER:
                _FARTHER[nearer] = farther
                spreading.append(nearer)


def _leads_to_unnamed(node: int) -> bool:
    """Return whether to look beyond `node`: a suspect below it has no good root yet."""
    distance = _DISTANCE[node]
    return any(
        distance < _FAR_ENOUGH.get(suspect, distance + 1) for suspect in _suspects_below(node)
    )


def _suspects_below(node: int) -> list[int]:
    """Return the suspects without a way to a module that are reached from `node`."""
    found, seen, stack = [], {node}, [node]
    while stack:
        node = stack.pop()
        if node in _FARTHER:
            continue
        if node in _SUSPECTS:
            found.append(node)
        stack += [n for n in _NEARER[node] if n not in seen]
        seen.update(_NEARER[node])
    return found


def running_function(node: int) -> tuple[str, str, str] | None:
    """Return thread, frame and variable of a running function that refers to a node."""
    return _RUNNING.get(node)


def root_of(node: int) -> tuple[str, str] | None:
    """Return module and global name of a root."""
    return _ROOTS.get(node)


def node_value(node: int) -> Thing:
    """Return the object of a node; None for a plain tuple."""
    return _NODES.get(node)
