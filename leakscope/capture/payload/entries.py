"""What single entries of a container keep alive: the objects around them, with reference counts.

Only what is seen is reported; which of it goes with the entry is worked out by the caller.
"""

from __future__ import annotations

import sys
from collections import deque
from gc import get_referents
from itertools import islice
from sys import getrefcount, getsizeof
from time import thread_time
from typing import TYPE_CHECKING

from leakscope.capture.payload.chains import named_steps, referent
from leakscope.capture.payload.classes import (
    basic_size,
    ids_of,
    inherits,
    is_measured_in_c,
    type_name,
)
from leakscope.capture.payload.coroutines import is_code, site_of
from leakscope.capture.payload.held import HELD
from leakscope.capture.payload.instances import is_attribute_dict
from leakscope.capture.payload.modules import MODULE

if TYPE_CHECKING:
    from leakscope.capture.payload.passes import Thing

_MOST_EXPLORED = 1500
_MOST_SEEN = 4000
_MOST_FOLLOWED_OF_ONE = 20_000
_MOST_UNEXPLAINED = 40
"""References from elsewhere above which an object is not worth exploring: it is shared."""
_SECONDS = 0.02
_CODE = type((lambda: None).__code__)
_NOT_OF_AN_ENTRY = ids_of(type(None), type(Ellipsis), type(NotImplemented), bool, MODULE, _CODE)
_LEAVES = ids_of(int, float, complex, str, bytes, bytearray)
_IN_A_LIST = next(map(getrefcount, [object()]))
"""What `getrefcount` gives, called from C, for an object that only a list refers to."""


def entry_graph(
    address: int, back: float
) -> tuple[list[str], list[tuple[int, int, int, int, list[int]]], list[str], list[int]] | None:
    """Look at one entry of the container at `address` and at what can be reached from it.

    `back` says which one, as a share of the entries, counted from the youngest where the
    container has an order. Returns None if there is no such entry, else

    - what the references to the objects of the entry are called: the first objects are these;
    - for each object its address, the number of references to it, its flat size, its type as an
      index, and the objects that it refers to, where it was explored, as indices;
    - the names of the types;
    - the indices of those objects that are code, suspended or to be called.
    """
    container = HELD.get(address)
    entry = _entry(container, back)
    if not entry:
        return None
    edges, objects = [edge for edge, _ in entry], [value for _, value in entry]
    del entry
    referents = _explore(objects, address)
    counts = [count - _IN_A_LIST for count in map(getrefcount, objects)]
    types: dict[int, tuple[int, bool]] = {}
    names: list[str] = []
    rows = []
    for at, value in enumerate(objects):
        cls = type(value)
        if id(cls) not in types:
            types[id(cls)] = (len(names), is_measured_in_c(cls, "__sizeof__"))
            names.append(type_name(cls))
        index, trusted = types[id(cls)]
        size = getsizeof(value) if trusted else basic_size(cls)
        rows.append((id(value), counts[at], size, index, referents.get(at, [])))
    return edges, rows, names, [at for at, value in enumerate(objects) if is_code(value)]


def name_entry(address: int, edge: str, way: list[int]) -> list[tuple[str, str]] | None:
    """Return (edge, type) from the container to the last object of `way`, None if it is gone.

    `way` are the addresses of the objects from the entry on, `edge` how the entry is referred to.
    """
    values = _along(address, way)
    if not values:
        return None
    return [(edge, type_name(type(values[0]))), *named_steps(values)]


def entry_site(address: int, way: list[int]) -> tuple[str, int, str] | None:
    """Return file, line and function of the code object at the end of `way`."""
    values = _along(address, way)
    return site_of(values[-1]) if values else None


def _along(address: int, way: list[int]) -> list[Thing]:
    """Return the objects along a way from the container; none if any is gone."""
    values = []
    value = HELD.get(address)
    for node in way:
        value = referent(value, node)
        if value is None:
            return []
        values.append(value)
    return values


def _entry(container: Thing, back: float) -> list[tuple[str, Thing]]:
    """Return the objects of one entry: an element, or the value and the key of a dict."""
    cls = type(container)
    try:
        for base in (list, deque):
            if inherits(cls, base):
                length = base.__len__(container)
                return [("[*]", base.__getitem__(container, length - 1 - int(back * length)))]
        if inherits(cls, dict):
            skip = int(back * dict.__len__(container))
            items = list(islice(reversed(dict.items(container)), skip, skip + 1))
            return [edge for key, value in items for edge in (("[*]", value), ("<key>", key))]
        skip = int(back * set.__len__(container))
        return [("<element>", x) for x in islice(set.__iter__(container), skip, skip + 1)]
    except (IndexError, RuntimeError, TypeError):
        return []


def _explore(objects: list[Thing], container: int) -> dict[int, list[int]]:
    """Append to `objects` what they refer to, nearest and least shared first, within bounds.

    Returns the indices that each explored object refers to.
    """
    index = {id(value): at for at, value in enumerate(objects)}
    explored: dict[int, list[int]] = {}
    ready, waiting = list(range(len(objects))), dict[int, int]()
    kinds: dict[int, bool] = {}
    deadline = thread_time() + _SECONDS
    while len(explored) < _MOST_EXPLORED and len(objects) < _MOST_SEEN:
        at = ready.pop() if ready else _least_shared(waiting)
        if at is None or thread_time() > deadline:
            break
        explored[at] = found = []
        for value in islice(_referents(objects[at]), _MOST_FOLLOWED_OF_ONE):
            cls = id(type(value))
            if cls not in kinds:
                kinds[cls] = cls in _NOT_OF_AN_ENTRY or inherits(type(value), type)
            if kinds[cls] or id(value) == container:
                continue
            to = index.get(id(value))
            if to is None:
                to = index[id(value)] = len(objects)
                objects.append(value)
                if cls not in _LEAVES:
                    waiting[to] = getrefcount(value) - _IN_A_LIST - 2
            found.append(to)
            if to in waiting:
                waiting[to] -= 1
                if waiting[to] <= 0:
                    del waiting[to]
                    ready.append(to)
    return explored


def _least_shared(waiting: dict[int, int]) -> int | None:
    """Take the object that the fewest unexplored objects refer to; None if all are shared."""
    if not waiting:
        return None
    least = min(waiting, key=waiting.__getitem__)
    return least if waiting.pop(least) <= _MOST_UNEXPLAINED else None


def _referents(value: Thing) -> list[Thing]:
    """Return what `value` refers to.

    gc leaves out keys that are text. From 3.13 on an instance and its `__dict__` may both give
    the same references; they are the dict's then.
    """
    found = get_referents(value)
    if inherits(type(value), dict):
        keys = list(dict.keys(value))
        seen = set(map(id, found))
        return found + [k for k in keys if id(k) not in seen]
    if sys.version_info >= (3, 13):
        for candidate in found:
            if type(candidate) is dict and is_attribute_dict(value, candidate):
                stored = set(map(id, dict.values(candidate)))
                return [x for x in found if id(x) not in stored]
    return found
