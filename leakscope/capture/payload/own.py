"""Which objects in the target are the payload's own, so that they are not counted as the target's.

The payload is one namespace of functions and plain containers. It defines no class and starts no
thread; what its containers hold belongs to the target.
"""

from __future__ import annotations

from gc import is_tracked
from itertools import chain, starmap
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_PLAIN = (dict, list, set)
_IN_FLIGHT: tuple[type, ...] = (chain, starmap, map, map, list, type(iter([])))
"""The types of the objects that `passes.heap` consists of while the heap is counted."""


def own_containers() -> set[int]:
    """Return the addresses of the payload's own containers, its namespace among them."""
    values = list(globals().values())
    return {id(globals()), *(id(v) for v in values if type(v) in _PLAIN)}


def own_counts() -> dict[int, int]:
    """Return how many gc-tracked objects of the payload exist, by id of their type.

    Exact for a count that is made by one `chain.from_iterable(heap())`.
    """
    counts: dict[int, int] = {}
    for cls in chain(_IN_FLIGHT, map(type, filter(is_tracked, _own_objects()))):
        counts[id(cls)] = counts.get(id(cls), 0) + 1
    return counts


def is_own_function(value: object) -> bool:
    """Return whether `value` is a function of the payload."""
    return type(value) is type(is_own_function) and value.__globals__ is globals()


def _own_objects() -> Iterator[object]:
    yield globals()
    for value in list(globals().values()):
        if is_own_function(value):
            yield value
            parts = (value.__defaults__, value.__kwdefaults__)
            yield from (p for p in parts if p)
        elif type(value) in (*_PLAIN, tuple):
            yield value
