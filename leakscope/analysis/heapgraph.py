"""What is alive in a heap, who holds it from outside, and who refers to whom.

Nothing runs the collector: with every reference count and every reference known, arithmetic tells
what is alive. An object with more references than the heap accounts for is held from outside (a
C variable, a running frame, the interpreter): a root. What no root leads to is cyclic garbage
that the collector has not got to yet.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from leakscope.analysis import kernels
from leakscope.analysis.kernels import Amounts, Csr, MalformedGraph, Mask, Rows
from leakscope.model.heap import HeapSnapshot, ObjectFlag

_NEVER_FREED = ObjectFlag.IMMORTAL | ObjectFlag.STATIC


@dataclass(frozen=True, slots=True)
class HeapGraph:
    """A heap snapshot whose references can be followed both ways."""

    snapshot: HeapSnapshot
    outgoing: Csr
    """From each object to what it refers to."""
    incoming: Csr
    """From each object to what refers to it, ascending."""
    roots: Rows
    """Objects that live whatever the rest of the heap does, ascending."""
    live: Mask
    """Whether a root leads to the object; what is not live is cyclic garbage."""
    miscounted: Rows
    """Objects with fewer counted references than were seen, ascending; see `heap_graph`."""

    @property
    def garbage(self) -> Mask:
        """Whether the object only waits for the collector."""
        return ~self.live


def heap_graph(snapshot: HeapSnapshot) -> HeapGraph:
    """Return the graph of a snapshot, with what is live told from garbage.

    Roots are the objects that are held from outside and those that are never freed (immortal, or
    part of a library, as builtin types are): their count of references means nothing.

    Some extension types report one reference twice or report references they do not own. What
    they refer to then has fewer counted references than seen, and its count proves nothing either
    way: such an object is taken for live, never for garbage.

    Raises `MalformedGraph` for a snapshot that contradicts itself.
    """
    _check(snapshot)
    outgoing = Csr(snapshot.offsets, snapshot.targets)
    incoming = kernels.transpose(outgoing)
    unaccounted = snapshot.refcount - np.diff(incoming.offsets)
    never_freed = _never_freed(snapshot)
    held = (unaccounted > 0) | never_freed
    miscounted = (unaccounted < 0) & ~never_freed
    live = kernels.reachable(outgoing, _rows(held))
    doubtful = miscounted & ~live
    if doubtful.any():
        held |= doubtful
        live = kernels.reachable(outgoing, _rows(held))
    return HeapGraph(snapshot, outgoing, incoming, _rows(held), live, _rows(miscounted))


def unseen_references(snapshot: HeapSnapshot) -> Amounts:
    """Return how many references to each object are counted and not found in the heap.

    Running calls, the interpreter and C code hold them, so a steady background is normal. 0 for
    what is never freed, whose count says nothing, and where more were seen than are counted.
    """
    seen = np.bincount(snapshot.targets, minlength=snapshot.objects)
    return np.where(_never_freed(snapshot), 0, np.maximum(snapshot.refcount - seen, 0))


def row_of(snapshot: HeapSnapshot, address: int) -> int | None:
    """Return the row of the object at `address`, None if there was none."""
    found = np.flatnonzero(snapshot.address == np.uint64(address))
    return int(found[0]) if len(found) else None


def rows_of_type(snapshot: HeapSnapshot, type_name: str) -> Rows:
    """Return the objects of the type or types with this qualified name, ascending."""
    wanted = [i for i, name in enumerate(snapshot.type_names) if name == type_name]
    return _rows(np.isin(snapshot.type, np.array(wanted, np.int32)))


def type_name(snapshot: HeapSnapshot, row: int) -> str:
    """Return the qualified name of an object's type."""
    return snapshot.type_names[int(snapshot.type[row])]


def is_greenlet(snapshot: HeapSnapshot, row: int) -> bool:
    """Return whether an object is a greenlet, of whichever class."""
    return bool(snapshot.flags[row] & ObjectFlag.GREENLET)


def _never_freed(snapshot: HeapSnapshot) -> Mask:
    found: Mask = (snapshot.flags & _NEVER_FREED) != 0
    return found


def _rows(mask: Mask) -> Rows:
    return np.flatnonzero(mask).astype(np.int32)


def _check(snapshot: HeapSnapshot) -> None:
    columns = (snapshot.type, snapshot.size, snapshot.refcount, snapshot.flags)
    if any(len(column) != snapshot.objects for column in columns):
        raise MalformedGraph("the columns of the heap differ in length")
    if len(snapshot.offsets) != snapshot.objects + 1:
        raise MalformedGraph("the references of the heap are not given object by object")
    types = snapshot.type
    if len(types) and (types.min() < 0 or types.max() >= len(snapshot.type_names)):
        raise MalformedGraph("an object of the heap has no type")
    if len(snapshot.size) and snapshot.size.min() < 0:
        raise MalformedGraph("an object of the heap has a negative size")
