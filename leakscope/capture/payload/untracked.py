"""Long dicts that gc does not track.

Before 3.14 a dict whose keys and values are all numbers, text or byte strings is not tracked: a
cache of pages by name is in no list of gc's. Those that modules refer to are looked at every time.
The others are sought as what tracked objects refer to, which is a long look: it is done now and
then, a part of the heap at a time, and in between only those are followed that were seen to grow.
"""

from __future__ import annotations

from functools import partial
from gc import get_referents, is_tracked
from itertools import chain, islice
from operator import not_
from sys import getsizeof
from time import perf_counter, thread_time
from typing import TYPE_CHECKING

from leakscope.capture.payload.census import container_columns
from leakscope.capture.payload.classes import ids_of, is_heap_type, subclasses_of
from leakscope.capture.payload.modules import loaded_modules
from leakscope.capture.payload.own import own_containers
from leakscope.capture.payload.passes import cut, heap, kept, mapped, settle, times, where

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from leakscope.capture.payload.passes import Objects

    Rows = list[tuple[int, int, int, int]]

_OWNERS: set[int] = set()
"""Addresses of the tracked objects that refer to an untracked dict that grew."""
_LENGTHS: dict[int, int] = {}
"""Lengths of the untracked dicts by address, as the last search found them."""
_MOST_FOLLOWED = 1000
_OWNER_TYPES = (dict, list, type((lambda x: lambda: x)(0).__closure__[0]))  # type: ignore[index]
_PLAIN_DICT = ids_of(dict)


def tracks_all_dicts() -> bool:
    """Return whether this interpreter's gc tracks every dict."""
    return is_tracked({})


def seek_untracked(start: int, count: int, least: int) -> float:
    """Look for untracked dicts that grew since the last search, in a part of the heap.

    The part is `count` objects from `start` on; `least` is how many entries a dict must have.
    Returns the pause in seconds.
    """
    cpu = thread_time()
    owners = _owner_types()
    own = own_containers()
    settle()
    began, cpu_before = perf_counter(), thread_time()
    rows = list(container_columns(_long_dicts(_part(start, count, owners), least), len, getsizeof))
    lengths = {row[0]: row[1] for row in rows if row[0] not in own}
    grew = {i for i in lengths if _LENGTHS.get(i, lengths[i]) < lengths[i]}
    if grew and len(_OWNERS) < _MOST_FOLLOWED:
        _OWNERS.update(map(id, _owners_of(grew, start, count, owners)))
    _LENGTHS.update(lengths)
    return thread_time() - cpu + perf_counter() - began - (thread_time() - cpu_before)


def untracked_containers(limit: int, least: int) -> tuple[float, Rows]:
    """Measure the untracked dicts of modules and those that grew, as `longest_containers` does."""
    cpu = thread_time()
    settle()
    namespaces: Objects = [namespace for _, namespace in loaded_modules()]
    found = set(_rows_of(_long_dicts(iter([namespaces]), least), limit))
    passed = 0.0
    if _OWNERS:
        began, cpu_before = perf_counter(), thread_time()
        found.update(_rows_of(_followed(least), limit))
        passed = perf_counter() - began - (thread_time() - cpu_before)
    own = own_containers()
    return thread_time() - cpu + passed, [row for row in found if row[0] not in own]


def untracked_of_modules(addresses: set[int]) -> list[object]:
    """Return the untracked dicts at `addresses` that modules refer to."""
    namespaces: Objects = [namespace for _, namespace in loaded_modules()]
    return list(where(times(_long_dicts(iter([namespaces]), 0), 2), id, addresses.__contains__))


def untracked_of_part(addresses: set[int], start: int, count: int) -> list[object]:
    """Return the untracked dicts at `addresses` that a part of the heap refers to."""
    owners = _owner_types()
    settle()
    dicts = _long_dicts(_part(start, count, owners), 0)
    found = list(where(times(dicts, 2), id, addresses.__contains__))
    return list(dict(zip(map(id, found), found)).values())  # noqa: B905


def _owner_types() -> set[int]:
    types = subclasses_of(object)
    return {i for i in types if is_heap_type(types[i])} | ids_of(*_OWNER_TYPES)


def _rows_of(lists: Iterator[Objects], limit: int) -> Iterator[tuple[int, int, int, int]]:
    return container_columns(cut(lists, 0, limit), len, getsizeof)


def _followed(least: int) -> Iterator[Objects]:
    return _long_dicts(kept(times(heap(), 2), id, _OWNERS.__contains__), least)


def _part(start: int, count: int, types: set[int]) -> Iterator[Objects]:
    """Give the list of objects of some types in a part of the heap."""
    part = map(list, map(islice, heap(), [start], [start + count]))
    return kept(times(part, 2), type, id, types.__contains__)


def _owners_of(dicts: set[int], start: int, count: int, types: set[int]) -> Iterator[object]:
    parts = times(_part(start, count, types), 2)
    return where(parts, get_referents, partial(map, id), dicts.isdisjoint, not_)


def _long_dicts(owners: Iterator[Objects], least: int) -> Iterator[Objects]:
    """Give the lists of the untracked dicts with `least` entries that `owners` refer to."""
    flat: Callable[[Objects], Iterator[object]] = chain.from_iterable
    referents = map(list, map(flat, mapped(owners, get_referents)))
    dicts = kept(times(referents, 2), type, id, _PLAIN_DICT.__contains__)
    untracked = kept(times(dicts, 2), is_tracked, not_)
    return kept(times(untracked, 2), len, (least - 1).__lt__)
