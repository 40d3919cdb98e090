"""What refers to an object, found by scanning the heap in C.

Plain tuples are told by address only, with the addresses that they refer to: a tuple found in this
way may still be under construction, and nothing but C may ever hold it.
"""

from __future__ import annotations

from functools import partial
from gc import get_referents, get_referrers
from itertools import chain, islice, starmap
from operator import is_, is_not
from typing import TYPE_CHECKING

from leakscope.capture.payload.passes import heap, kept, mapped, settle, times, where

if TYPE_CHECKING:
    from collections.abc import Iterator

    from leakscope.capture.payload.passes import Objects


def referrers_of(targets: list[object]) -> list[object]:
    """Return the objects that refer to any of `targets`.

    A plain tuple among them is given as (its address, [addresses that it refers to]).
    """
    settle()
    return list(_without_tuples(starmap(get_referrers, [targets])))


def referrers_of_tuples(addresses: set[int]) -> list[object]:
    """Return what refers to the plain tuples at `addresses`, in the form of `referrers_of`."""
    settle()
    return list(_without_tuples(starmap(get_referrers, _listed_at(addresses))))


def _listed_at(addresses: set[int]) -> Iterator[Objects]:
    """Give the list of the objects at `addresses`.

    By then nothing else of the pass refers to them: the list of all objects is gone as soon as
    `where` has come to its end, and `starmap` turns this list into the arguments of its call.
    """
    return map(list, [where(times(heap(), 2), id, addresses.__contains__)])


def _without_tuples(lists: Iterator[Objects]) -> Iterator[object]:
    four = times(lists, 4)
    others = where(islice(four, 2), type, partial(is_not, tuple))
    tuples = times(kept(islice(four, 2), type, partial(is_, tuple)), 2)
    pairs = map(zip, mapped(tuples, id), mapped(tuples, get_referents, partial(map, id), list))
    return chain(others, chain.from_iterable(pairs))
