"""A heap snapshot: every object of the target and every reference between them, at one instant.

Objects are rows, numbered from 0; references lead from row to row in compressed sparse row form:
those of row `r` are `targets[offsets[r]:offsets[r + 1]]`, in the order in which `tp_traverse`
visits them, an object referred to twice being there twice.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntFlag

import numpy as np
import numpy.typing as npt


class ObjectFlag(IntFlag):
    """What a capture knows of one object beyond its numbers."""

    GC_TRACKED = 1
    """It is in one of the collector's lists; else it was found as somebody's referent."""
    IMMORTAL = 2
    """Its reference count says nothing; it lives as long as the interpreter."""
    STATIC = 4
    """It is part of an executable or shared library, not of the heap: a builtin type, say."""
    TYPE = 8
    """It is itself a type."""
    GREENLET = 16
    """It is a greenlet, of whichever class: it may be suspended outside of every thread."""


@dataclass(frozen=True, slots=True)
class HeapSnapshot:
    """All objects and references, one row per object, in the order of capture."""

    type_names: tuple[str, ...]
    """Qualified type names (`dict`, `shop.audit.Record`); two types may share a name."""
    address: npt.NDArray[np.uint64]
    """Unique. With the type it identifies an object across snapshots of one process."""
    type: npt.NDArray[np.int32]
    """Index into `type_names`."""
    size: npt.NDArray[np.int64]
    """Bytes of the object and of the buffers that are its own, not of what it refers to."""
    refcount: npt.NDArray[np.int64]
    flags: npt.NDArray[np.uint8]
    """`ObjectFlag`s."""
    offsets: npt.NDArray[np.int64]
    """One more than there are objects; from 0, never falling, to the number of references."""
    targets: npt.NDArray[np.int32]
    """Rows."""

    @property
    def objects(self) -> int:
        """How many objects there are."""
        return len(self.address)

    @property
    def references(self) -> int:
        """How many references there are between them."""
        return len(self.targets)
