"""The suspects, found again and held while they are looked into.

Only containers that can be changed and instances of the suspected types are held, never a plain
tuple: one that is still being built must not gain a reference (see `passes`).
"""

from __future__ import annotations

from collections import deque
from itertools import compress, count
from typing import TYPE_CHECKING

from leakscope.capture.payload.classes import subclasses_of
from leakscope.capture.payload.instances import forget_names
from leakscope.capture.payload.passes import heap, heap_by_age, kept, settle, times, where
from leakscope.capture.payload.untracked import untracked_of_modules, untracked_of_part

if TYPE_CHECKING:
    from collections.abc import Iterator

    from leakscope.capture.payload.instances import forget_names
from leakscope.capture.payload.passes import Thing

CONTAINER_TYPES = (list, dict, set, deque)
HELD: dict[int, Thing] = {}


def hold_containers(addresses: list[int]) -> list[tuple[int, int]]:
    """Hold the containers at `addresses`; return address and id of the type of those found."""
    ids = {i for base in CONTAINER_TYPES for i in subclasses_of(base)}
    wanted = set(addresses)
    settle()
    found = list(
        where(times(kept(times(heap(), 2), id, wanted.__contains__), 2), type, id, ids.__contains__)
    )
    found += untracked_of_modules(wanted.difference(map(id, found)))
    HELD.update({id(x): x for x in found if x is not found})
    return [(id(x), id(type(x))) for x in HELD.values()]


def hold_untracked(addresses: list[int], start: int, count: int) -> list[tuple[int, int]]:
    """Hold the untracked dicts at `addresses` that a part of the heap refers to; return as above.

    The part is `count` objects from `start` on.
    """
    found = untracked_of_part(set(addresses), start, count)
    HELD.update({id(x): x for x in found})
    return [(id(x), id(type(x))) for x in found]


def hold_instance(types: list[int], skip: int) -> int | None:
    """Hold the instance of one of `types` that has `skip` instances before it, oldest first.

    Returns its address, or None if there are not that many. Plain tuples are never held.
    """
    ids = set(types) - {id(tuple)}
    settle()
    return _hold(list(compress(_instances_of(ids), map(skip.__eq__, count()))))


def _instances_of(ids: set[int]) -> Iterator[Thing]:
    return where(times(heap_by_age(), 2), type, id, ids.__contains__)


def _hold(found: list[Thing]) -> int | None:
    if not found or found[0] is found:
        found.clear()
        return None
    HELD[id(found[0])] = found[0]
    return id(found[0])


def release() -> None:
    """Let go of everything that is held."""
    HELD.clear()
    forget_names()
