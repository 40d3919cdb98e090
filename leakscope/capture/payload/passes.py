"""Looking at every object of the target in one call to C.

While a list of all objects exists, each of them has one reference more. C code in another thread
that is still building a tuple breaks when it sees that, and a reference dropped by us may turn out
to be the last. So such a list may only exist while no other thread can run: the functions here
build lazy pipelines of C iterators that make the list when they are driven, are driven by a single
call to a C function, and have let go of it when that call returns. No function in Python may
appear inside a pipeline, no pipeline may be kept in a variable, and each must be driven to its
end: the list of all objects has the pipeline in it, so one that is given up half-way would hold
itself, and everything else, until gc comes by.

Most take and return an iterator *of lists* (usually of one), because a list can be gone through
several times and a plain iterator cannot.
"""

from __future__ import annotations

from functools import partial
from gc import get_objects
from itertools import chain, compress, repeat, starmap
from operator import itemgetter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from typing import Any

    Thing = Any
    """Any object of the target."""
    Objects = list[Thing]


def settle() -> None:
    """Let a garbage collection that is nearly due run now rather than inside the next pass."""
    [set() for _ in range(64)]


def heap() -> Iterator[Objects]:
    """Give the list of all objects that gc tracks, once."""
    return starmap(get_objects, [()])


def heap_by_age() -> Iterator[Objects]:
    """Give the lists of the objects in the oldest, middle and youngest generation."""
    return starmap(get_objects, [(2,), (1,), (0,)])


def times(lists: Iterable[Objects], count: int) -> Iterator[Objects]:
    """Give each list `count` times in a row."""
    return chain.from_iterable(map(repeat, lists, repeat(count)))


def mapped(lists: Iterator[Objects], *functions: Callable[..., object]) -> Iterator[Objects]:
    """Apply C functions, one after the other, to the elements of each list."""
    for function in functions:
        step: Callable[[Objects], Any] = partial(map, function)
        lists = map(step, lists)
    return lists


def kept(doubled: Iterator[Objects], *functions: Callable[..., object]) -> Iterator[Objects]:
    """Give, for each list, the list of elements for which the C functions end in something true.

    Every list must come twice (see `times`). The new list is made after the one that it is made
    from, so it is never found by its own pass.
    """
    return map(list, map(compress, doubled, mapped(doubled, *functions)))


def cut(lists: Iterator[Objects], start: int, stop: int) -> Iterator[Objects]:
    """Give the part of each list from `start` up to `stop`."""
    return map(itemgetter(slice(start, stop)), lists)


def where(doubled: Iterator[Objects], *functions: Callable[..., object]) -> Iterator[object]:
    """Yield what `kept` would put in its lists."""
    return chain.from_iterable(map(compress, doubled, mapped(doubled, *functions)))
