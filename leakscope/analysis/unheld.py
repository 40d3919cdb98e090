"""References that are counted and found nowhere: objects that nobody holds, and what has too many.

An extension that forgets to give a reference back leaves an object that lives for ever with nobody
to hold it, or adds one to the count of an object that lives anyway. What running calls, threads and
C libraries hold looks the same and comes and goes, so that one heap proves nothing; growth does.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from leakscope.analysis import kernels
from leakscope.analysis.dominators import DominatedHeap
from leakscope.analysis.kernels import Amounts, Mask, Rows
from leakscope.model.heap import HeapSnapshot, ObjectFlag
from leakscope.model.typenames import bare

_IN_THREAD, _IN_GREENLET = 16, 4
"""What calls hold in no variable that is known: what a loop runs over, a lock that was entered,
`self` in every call. Most greenlets do one thing: wait."""
_MOST_STRAYS = 5
_ATOMS = frozenset({"int", "str", "bytes", "float", "bool", "complex", "bytearray", "NoneType"})
_OPEN = frozenset(
    {"dict", "list", "tuple", "set", "frozenset", "cell", "function", "method", "coroutine"}
    | {"generator", "frame", "traceback", "collections.deque", "collections.OrderedDict"}
    | {"weakref", "weakref.ReferenceType", "type", "module", "code", "object"}
)
"""Python's own types that tell all that they refer to."""
_ENOUGH = 0.5
"""The part of what references came that new objects must reach to account for them."""


@dataclass(frozen=True, slots=True)
class Unseen:
    """What one heap has of references that are found nowhere, and of who may have them."""

    address: npt.NDArray[np.uint64]
    """Of objects, ascending."""
    type: npt.NDArray[np.int32]
    type_names: tuple[str, ...]
    references: Amounts
    mute: Mapping[str, int]
    """Objects by types that tell nothing of what they refer to."""
    reticent: Mapping[str, int]
    """Objects by types that may not tell every text or number that they refer to."""


@dataclass(frozen=True, slots=True)
class Strays:
    """One object with more and more references that are found nowhere."""

    address: int
    type: str
    references: tuple[int, ...]
    """Heap by heap."""


@dataclass(frozen=True, slots=True)
class UnheldCounts:
    """What nobody seen holds, by name of type."""

    names: tuple[str, ...]
    """Ascending; only those with anything to tell."""
    objects: Amounts
    references: Amounts


def unheld_objects(heap: DominatedHeap, unseen: Amounts, named: Rows) -> Mask:
    """Return which live objects nobody holds who can be seen.

    More references to them are counted than found (`unseen`: see `unseen_references`), nothing
    refers to them but what they alone keep alive, and they are none of the `named`: modules, what a
    running function has in a variable.
    """
    graph = heap.graph
    lost: Mask = np.zeros(graph.snapshot.objects, np.bool_)
    lost[heap.tree.tops()] = True
    lost &= unseen > 0
    lost[named] = False
    rows = np.flatnonzero(lost).astype(np.int32)
    below = kernels.traverse(heap.children, [rows]).origins
    index, referrers = graph.incoming.of_all(rows)
    elsewhere = graph.live[referrers] & (below[referrers] != index)
    lost[rows[index[elsewhere]]] = False
    return lost


def unheld_counts(snapshot: HeapSnapshot, unseen: Amounts, unheld: Mask) -> UnheldCounts:
    """Return by type how many objects nobody holds, and the references found nowhere in all."""
    names, index = np.unique(np.array(snapshot.type_names), return_inverse=True)
    of_object = index.astype(np.int32)[snapshot.type]
    objects = np.bincount(of_object[unheld], minlength=len(names))
    references = np.zeros(len(names), np.int64)
    some = np.flatnonzero(unseen)
    np.add.at(references, of_object[some], unseen[some])
    told = np.flatnonzero(references)
    return UnheldCounts(
        tuple(str(names[at]) for at in told), objects[told].astype(np.int64), references[told]
    )


def unseen_in(snapshot: HeapSnapshot, unseen: Amounts, *, all_objects: bool = False) -> Unseen:
    """Return what a heap, rows ascending by address, has of references that are found nowhere.

    `unseen`: see `unseen_references`. With `all_objects` also of those that lack none: it is known
    then that they were there.
    """
    rows = slice(None) if all_objects else np.flatnonzero(unseen)
    return Unseen(
        snapshot.address[rows],
        snapshot.type[rows],
        snapshot.type_names,
        unseen[rows],
        _mute(snapshot),
        _reticent(snapshot),
    )


def in_calls(threads: int, greenlets: int) -> int:
    """Return how many references to one object, or objects of one type, calls may hold unseen."""
    return _IN_THREAD * max(1, threads) + _IN_GREENLET * greenlets


def strays_in(heaps: Sequence[Unseen], least: int) -> tuple[Strays, ...]:
    """Return the objects to which ever more references came that are found nowhere.

    The objects are in all of `heaps`, which are of one process; each step has added to them, more
    in all than the calls may hold (`least`: see `in_calls`), and no new objects can account for it
    that may not tell what they hold. Most first, ties by address, a handful.
    """
    first, last = heaps[0], heaps[-1]
    rows = np.flatnonzero(last.references > least)
    counts = np.zeros((len(heaps), len(rows)), np.int64)
    there = np.ones(len(rows), np.bool_)
    for at, heap in enumerate(heaps):
        if not len(heap.address):
            return ()
        found = np.searchsorted(heap.address, last.address[rows])
        places = np.minimum(found, len(heap.address) - 1)
        there &= heap.address[places] == last.address[rows]
        there &= _names(heap)[heap.type[places]] == _names(last)[last.type[rows]]
        counts[at] = heap.references[places]
    there &= (np.diff(counts, axis=0) > 0).all(axis=0) & (counts[-1] - counts[0] > least)
    gained = np.where(there, counts[-1] - counts[0], 0)
    reticent, mute = _gained(first.reticent, last.reticent), _gained(first.mute, last.mute)
    told: list[Strays] = []
    for i in np.argsort(-gained, kind="stable")[: int(there.sum())].tolist():
        name = last.type_names[last.type[rows[i]]]
        others = reticent if bare(name) in _ATOMS else mute
        if _ENOUGH * gained[i] > others and len(told) < _MOST_STRAYS:
            told.append(Strays(int(last.address[rows[i]]), name, tuple(counts[:, i].tolist())))
    return tuple(told)


def _gained(before: Mapping[str, int], after: Mapping[str, int]) -> int:
    """Return the most objects that one of some types gained."""
    return max((count - before.get(name, 0) for name, count in after.items()), default=0)


def _mute(snapshot: HeapSnapshot) -> dict[str, int]:
    """Return how many objects there are of types that tell nothing of what they refer to.

    Many types of C code refer to others, as a date does to its time zone, and cannot be asked to
    what, for they are never part of a cycle.
    """
    tell = np.diff(snapshot.offsets) > 1
    tell |= (snapshot.flags & ObjectFlag.GC_TRACKED) != 0
    types = len(snapshot.type_names)
    some = np.bincount(snapshot.type[tell], minlength=types) > 0
    return {name: count for name, count in _reticent(snapshot, without=some).items() if count}


def _reticent(snapshot: HeapSnapshot, without: Mask | None = None) -> dict[str, int]:
    """Return how many objects there are of types that may not tell every text or number they have.

    Extensions leave those out that can be part of no cycle; Python's own containers tell all.
    """
    counts = np.bincount(snapshot.type, minlength=len(snapshot.type_names))
    found: dict[str, int] = {}
    for index in np.flatnonzero(counts).tolist():
        name = snapshot.type_names[index]
        if bare(name) in _ATOMS or bare(name) in _OPEN or (without is not None and without[index]):
            continue
        found[name] = found.get(name, 0) + int(counts[index])
    return found


def _names(heap: Unseen) -> npt.NDArray[np.str_]:
    return np.array(heap.type_names, np.str_)
