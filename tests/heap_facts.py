"""Runs inside targets of any version: what the interpreter itself says of its heap.

All of it is gathered before the heap freezes and kept alive until then, so that what a frozen copy
finds can be held against it object by object and reference by reference.
"""

from __future__ import annotations

import gc
import struct
import sys
from array import array

COLUMNS = ("tracked", "ids", "sizes", "counts", "degrees", "referents", "working")
"""What `tell` writes, in this order. `working` are objects that changed since they were noted."""

tracked, ids, sizes, counts, degrees, referents, working = (array("Q") for _ in COLUMNS)
_seen: dict[int, object] = {}


class _Fresh:
    pass


def gather() -> None:
    """Note every object that can be reached from those that the collector knows."""
    objects = gc.get_objects()
    working.extend(map(id, (objects, _seen, globals(), _Fresh, working)))
    working.extend(map(id, (sys._getframe(), sys._getframe(1))))
    working.extend(map(id, (tracked, ids, sizes, counts, degrees, referents)))
    mine = set(working)
    tracked.extend([id(one) for one in objects if id(one) not in mine])
    _reach(objects)
    _note()


def _reach(objects: list[object]) -> None:
    mine = {*working, id(sys._getframe())}
    while objects:
        one = objects.pop()
        if id(one) not in _seen and id(one) not in mine:
            _seen[id(one)] = one
            objects += gc.get_referents(one)


def _note() -> None:
    fresh = _Fresh()
    _seen[id(fresh)] = fresh
    one: object = None
    for one in list(_seen.values()):
        ids.append(id(one))
        sizes.append(sys.getsizeof(one))
        held = gc.get_referents(one)
        degrees.append(len(held))
        while held:
            referents.append(id(held.pop(0)))
    one = None
    for key in ids:
        counts.append(sys.getrefcount(_seen[key]))
    ours = counts[-1] - 2  # `_seen` and `fresh` hold it; all that `_seen` holds stays so held
    for at, count in enumerate(counts):
        counts[at] = max(0, count - ours)


def tell() -> None:
    """Write the columns to stdout, each with its length before it."""
    for name in COLUMNS:
        column = globals()[name]
        sys.stdout.buffer.write(struct.pack("<Q", len(column)) + column.tobytes())
    sys.stdout.buffer.flush()
