"""The way from the suspects back to something that has a name.

A breadth-first search along references, backwards, for all suspects at once. A step scans the heap
once for the referrers of a few objects and then returns, so that the caller can let the target run
between steps. Modules are recognised by what they refer to (see `roots`).
"""

from __future__ import annotations

from gc import get_referents
from typing import TYPE_CHECKING

from leakscope.capture.payload.classes import FRAME, inherits
from leakscope.capture.payload.held import HELD
from leakscope.capture.payload.modules import MODULE, loaded_modules, named_by_modules
from leakscope.capture.payload.own import own_containers
from leakscope.capture.payload.referrers import referrers_of, referrers_of_tuples

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

_PER_TYPE = 8
_DICTS = 24
_PER_STEP = 64
_LONGEST_LOOK = 20_000
_RANKS = {id(dict): 0, id(type): 0, id(FRAME): 2}


def search_begin(addresses: list[int]) -> None:
    """Start looking for the ways to the held objects at `addresses`."""
    search_end()
    _NAMESPACES.update([id(namespace) for _, namespace in loaded_modules()])
    for address in addresses:
        if address in HELD:
            _SUSPECTS.add(address)
            _NODES[address] = HELD[address]
            _NEARER[address] = []
            _FRONTIER.append(address)
    _name_roots(list(_NODES))


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
    for found in (_NODES, _NEARER, _SUSPECTS, _FRONTIER, _ROOTS, _FARTHER, _NAMESPACES):
        found.clear()


def way_from_root(address: int) -> list[int]:
    """Return the nodes from one that a module names to the suspect; empty if there is no way."""
    if address not in _FARTHER:
        return []
    way = [address]
    while _FARTHER[way[-1]] != way[-1]:
        way.append(_FARTHER[way[-1]])
    return way[::-1]


def ways_to(address: int) -> dict[int, list[int]]:
    """Return, for every node that leads to the suspect, the nodes from it, nearest node first."""
    ways = {address: [address]}
    for node in _NODES:
        for nearer in _NEARER[node]:
            if nearer in ways and node not in ways:
                ways[node] = [node, *ways[nearer]]
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
    """Make nodes of the most telling of what was found; return the new ones."""
    new: list[int] = []
    per_type: dict[int, int] = {}
    if len(found) > _LONGEST_LOOK:
        found = found[: _LONGEST_LOOK // 2] + found[-_LONGEST_LOOK // 2 :]
    for value in sorted(found, key=_rank):
        cls = id(type(value))
        per_type[cls] = per_type.get(cls, 0) + 1
        if per_type[cls] > (_DICTS if cls == id(dict) else _PER_TYPE) or len(new) >= _PER_STEP:
            continue
        node, referents = _node(value)
        nearer = list(set(filter(batch.__contains__, referents)))
        if nearer and node not in _NAMESPACES:
            _add(node, value, nearer, new)
    return new


def _add(node: int, value: Thing, nearer: list[int], new: list[int]) -> None:
    if node in _NODES:
        _NEARER[node] += [n for n in nearer if n not in _NEARER[node] and n != node]
        if node in _FARTHER:
            _spread(node)
        return
    _NODES[node] = None if type(value) is tuple else value
    _NEARER[node] = nearer
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


def _rank(value: Thing) -> int:
    return _RANKS.get(id(type(value)), 1)


def _name_roots(nodes: list[int]) -> None:
    """Note which of `nodes` a module refers to, and every node that has a way to a root now."""
    named = named_by_modules(set(nodes))
    for node in nodes:
        if node in named:
            _ROOTS[node] = named[node]
            _FARTHER[node] = node
            _spread(node)


def _spread(node: int) -> None:
    """Give all nodes nearer to the suspects a way to a root through `node`."""
    spreading = [node]
    while spreading:
        farther = spreading.pop(0)
        for nearer in _NEARER[farther]:
            if nearer not in _FARTHER:
                _FARTHER[nearer] = farther
                spreading.append(nearer)


def _leads_to_unnamed(node: int) -> bool:
    """Return whether a suspect that has no way to a root yet is reached from `node`."""
    seen, stack = {node}, [node]
    while stack:
        node = stack.pop()
        if node in _FARTHER:
            continue
        if node in _SUSPECTS:
            return True
        stack += [n for n in _NEARER[node] if n not in seen]
        seen.update(_NEARER[node])
    return False


def root_of(node: int) -> tuple[str, str] | None:
    """Return module and global name of a root."""
    return _ROOTS.get(node)


def node_value(node: int) -> Thing:
    """Return the object of a node; None for a plain tuple."""
    return _NODES.get(node)
