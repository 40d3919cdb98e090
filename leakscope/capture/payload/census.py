"""How many objects there are of each type, and how long the containers are.

Types and containers are named by address: the names, which hardly ever change, go over once.
"""

from __future__ import annotations

from collections import _count_elements, deque  # type: ignore[attr-defined]
from functools import partial
from itertools import chain, islice
from operator import not_
from sys import getsizeof
from time import perf_counter, thread_time
from typing import TYPE_CHECKING

from leakscope.capture.payload.classes import (
    basic_size,
    is_measured_in_c,
    subclasses_of,
    type_name,
)
from leakscope.capture.payload.own import own_containers, own_counts
from leakscope.capture.payload.passes import cut, heap, kept, mapped, settle, times

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_CONTAINERS = (list, dict, set, deque)
_KNOWN: dict[int, str] = {}
"""What was told of each type, as text: gc does not track text, so it cannot show as growth."""
_LONG: set[int] = set()


def count_types() -> tuple[float, dict[int, int], dict[int, str]]:
    """Count the objects that gc tracks by type.

    Returns the pause in seconds, the number of objects by id of their type, and, for every type
    that was not there under this id before, its basic size, a space and its name.
    """
    cpu = thread_time()
    settle()
    counts: dict[int, int] = {}
    began, cpu_before = perf_counter(), thread_time()
    _count_elements(counts, map(id, map(type, chain.from_iterable(heap()))))
    passed = perf_counter() - began - (thread_time() - cpu_before)
    for own, count in own_counts().items():
        if own in counts:
            counts[own] = max(0, counts[own] - count)
    types = subclasses_of(object)
    live = {i: "%d %s" % (basic_size(types[i]), type_name(types[i])) for i in counts if i in types}
    news = {i: live[i] for i in live if _KNOWN.get(i) != live[i]}
    _KNOWN.clear()
    _KNOWN.update(live)
    counts = {i: counts[i] for i in live if counts[i]}
    return thread_time() - cpu + passed, counts, news


def longest_containers(limit: int, at_least: int) -> tuple[float, list[tuple[int, int, int, int]]]:
    """Measure the containers with `at_least` entries, at most `limit`, longest first.

    Returns the pause in seconds and address, length, flat size and id of the type of each.
    """
    cpu = thread_time()
    settle()
    passed = 0.0
    found: list[tuple[int, int, int, int]] = []
    kinds = _kinds()
    for ids, length, size in kinds:
        began, cpu_before = perf_counter(), thread_time()
        found += _containercontainer_columns(ids, length, size, limit, at_least)
        passed += perf_counter() - began - (thread_time() - cpu_before)
    own = {*own_containers(), *(id(ids) for ids, _, _ in kinds)}
    found = sorted([row for row in found if row[0] not in own], key=lambda r: (-r[1], r[0]))
    del found[limit:]
    _LONG.clear()
    _LONG.update([row[0] for row in found])
    return thread_time() - cpu + passed, found


def _kinds() -> list[tuple[set[int], Callable[..., int], Callable[..., int]]]:
    """Return ids of container types with the C functions that measure length and size.

    Most are measured by `len` and `getsizeof`. A type that overrides either is measured as the
    built-in container that it is, one kind after the other.
    """
    plain: set[int] = set()
    kinds: list[tuple[set[int], Callable[..., int], Callable[..., int]]] = []
    for base in _CONTAINERS:
        types = subclasses_of(base)
        trusted = {
            i
            for i, t in types.items()
            if is_measured_in_c(t, "__len__") and is_measured_in_c(t, "__sizeof__")
        }
        plain |= trusted
        others = (set(types) - trusted).intersection(_KNOWN)
        if others:
            kinds.append((others, base.__len__, base.__sizeof__))
    return [(plain, len, getsizeof), *kinds]


def _containercontainer_columns(
    ids: set[int],
    length: Callable[..., int],
    size: Callable[..., int],
    limit: int,
    at_least: int,
) -> list[tuple[int, int, int, int]]:
    longest = cut(_by_length(ids, length, at_least), 0, limit)
    return list(container_columns(longest, length, size))


def _by_length(ids: set[int], length: Callable[..., int], at_least: int) -> Iterator[list[object]]:
    """Give the list of the containers of some types that are long enough, longest first."""
    containers = kept(times(heap(), 2), type, id, ids.__contains__)
    long = kept(times(containers, 2), length, (at_least - 1).__lt__)
    return map(partial(sorted, key=length, reverse=True), long)


def container_columns(
    lists: Iterator[list[object]], length: Callable[..., int], size: Callable[..., int]
) -> Iterator[tuple[int, int, int, int]]:
    """Yield (address, length, flat size, id of type) of the containers in some lists."""
    four = times(lists, 4)
    columns = (mapped(four, *c) for c in ((id,), (length,), (size,), (type, id)))
    return chain.from_iterable(map(zip, *columns))


def sample_sizes(first: int, stride: int) -> tuple[float, dict[int, tuple[int, int]]]:
    """Measure every `stride`-th object from the `first` on, the longest containers left out.

    Returns the pause in seconds and, by id of the type, how many were measured and their bytes.
    Types that bring their own `__sizeof__` are not measured.
    """
    cpu = thread_time()
    settle()
    types = subclasses_of(object)
    trusted = {i for i in _KNOWN if i in types and is_measured_in_c(types[i], "__sizeof__")}
    histogram: dict[complex, int] = {}
    began, cpu_before = perf_counter(), thread_time()
    _count_elements(histogram, _typed_sizes(trusted, first, stride))
    passed = perf_counter() - began - (thread_time() - cpu_before)
    totals: dict[int, tuple[int, int]] = {}
    for key, count in histogram.items():
        measured, size = totals.get(int(key.real), (0, 0))
        totals[int(key.real)] = (measured + count, size + count * int(key.imag))
    return thread_time() - cpu + passed, totals


def _typed_sizes(trusted: set[int], first: int, stride: int) -> Iterator[complex]:
    """Yield `type id + size * 1j` of the sampled objects: keys that gc does not track."""
    sample = map(list, map(islice, heap(), [first], [None], [stride]))
    measurable = kept(times(sample, 2), type, id, trusted.__contains__)
    twice = times(kept(times(measurable, 2), id, _LONG.__contains__, not_), 2)
    pairs = map(partial(map, complex), mapped(twice, type, id), mapped(twice, getsizeof))
    return chain.from_iterable(pairs)
