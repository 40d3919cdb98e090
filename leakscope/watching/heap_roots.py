"""What of a frozen heap is known by name or from before, and the ways that lead from there."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from leakscope.analysis import kernels
from leakscope.analysis.heapgraph import HeapGraph
from leakscope.analysis.kernels import Csr, Rows
from leakscope.analysis.retention import RetentionPaths, plumbing_rows
from leakscope.model.heap import HeapSnapshot, ObjectFlag
from leakscope.model.roots import HeapRoots
from leakscope.model.typenames import bare, is_code


def rows_at(snapshot: HeapSnapshot, addresses: Iterable[int]) -> Rows:
    """Return the rows of the objects at `addresses`, in their order; without what is not there."""
    wanted = np.array(list(addresses), np.uint64)
    if not len(wanted) or not snapshot.objects:
        return np.empty(0, np.int32)
    places = np.minimum(np.searchsorted(snapshot.address, wanted), snapshot.objects - 1)
    found: Rows = places[snapshot.address[places] == wanted].astype(np.int32)
    return found


_MOST = 0.5
"""Share of what a type gained that one object must account for."""


@dataclass(frozen=True, slots=True)
class KnownObjects:
    """Which objects a process had when a snapshot was taken; 20 bytes for each."""

    address: npt.NDArray[np.uint64]
    """Ascending."""
    type: npt.NDArray[np.int32]
    size: npt.NDArray[np.int64]
    type_names: tuple[str, ...]

    @classmethod
    def of(cls, snapshot: HeapSnapshot) -> KnownObjects:
        """Return those of a snapshot."""
        return cls(snapshot.address, snapshot.type, snapshot.size, snapshot.type_names)

    def new_of_type(self, snapshot: HeapSnapshot, rows: Rows, name: str) -> Rows:
        """Return those of `rows`, all of one type in a later snapshot, that were not there."""
        there, _ = self._places(snapshot, rows, name)
        found: Rows = rows[~there]
        return found

    def grown_most(self, snapshot: HeapSnapshot, rows: Rows, name: str) -> int | None:
        """Return which of `rows`, all of one type in a later snapshot, gained most bytes.

        None unless that is most of what the type gained. Of texts, numbers and the like a larger
        one takes the place of the one before: one that was not there has gained its size.
        """
        there, places = self._places(snapshot, rows, name)
        before = np.zeros(len(rows), np.int64)
        before[there] = self.size[places[there]]
        gained = snapshot.size[rows] - before
        known = np.isin(self.type, self._types(name))
        all_gained = int(snapshot.size[rows].sum()) - int(self.size[known].sum())
        most = int(np.argmax(gained)) if len(rows) else 0
        if not len(rows) or all_gained <= 0 or gained[most] < _MOST * all_gained:
            return None
        return int(rows[most])

    def _places(
        self, snapshot: HeapSnapshot, rows: Rows, name: str
    ) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.intp]]:
        """Return which of `rows` were there, and where each is among what is known."""
        if not len(self.address):
            return np.zeros(len(rows), np.bool_), np.zeros(len(rows), np.intp)
        wanted = snapshot.address[rows]
        places = np.minimum(np.searchsorted(self.address, wanted), len(self.address) - 1)
        there = self.address[places] == wanted
        return there & np.isin(self.type[places], self._types(name)), places

    def _types(self, name: str) -> npt.NDArray[np.int32]:
        return np.array([i for i, each in enumerate(self.type_names) if each == name], np.int32)


@dataclass(frozen=True, slots=True)
class Roots:
    """Where chains may start, the best first."""

    modules: Rows
    """Those in `sys.modules`. Of several in which one object has a name the first tells it: one
    without an underscore, nearer to the top. `__main__`, which may have another name as well, is
    the last."""
    locals: Rows
    threads: Rows
    """The dicts of thread-local data, the contexts of context variables."""
    code: Rows
    """Tasks, coroutines and generators; greenlets."""
    classes: Rows

    @property
    def stages(self) -> tuple[Rows, ...]:
        """All of them, as `retention_paths` wants them."""
        return (self.modules, self.locals, self.threads, self.code, self.classes)

    @property
    def held(self) -> Rows:
        """Those that the interpreter holds by a name."""
        return np.concatenate([self.modules, self.locals, self.threads])


def roots_of(graph: HeapGraph, named: HeapRoots) -> Roots:
    """Return the live objects of a heap that have a name of their own."""
    snapshot = graph.snapshot
    modules = sorted(named.modules, key=lambda module: _remoteness(module.name))
    names = snapshot.type_names
    code = [i for i, name in enumerate(names) if is_code(name) and bare(name) != "function"]
    classes = [i for i, name in enumerate(names) if bare(name) == "type"]
    return Roots(
        rows_at(snapshot, (module.address for module in modules)),
        rows_at(snapshot, (local.address for local in named.locals)),
        rows_at(snapshot, (at for t in named.threads for at in (t.storage, t.context))),
        np.union1d(_of_types(graph, code), greenlets_of(graph)).astype(np.int32),
        _of_types(graph, classes),
    )


def _remoteness(module: str) -> tuple[bool, bool, int]:
    """Sort key: how unlikely it is that people speak of an object by its name in a module."""
    is_private = any(part.startswith("_") for part in module.split("."))
    return (module == "__main__", is_private, module.count("."))


def greenlets_of(graph: HeapGraph) -> Rows:
    """Return the greenlets that are alive, suspended or not, ascending."""
    found = (graph.snapshot.flags & ObjectFlag.GREENLET) != 0
    return np.flatnonzero(found & graph.live).astype(np.int32)


def paths_apart(graph: HeapGraph, modules: Rows, apart: Rows) -> RetentionPaths:
    """Return the shortest chains from modules of which none leads through any of `apart`.

    They lead to those objects, but not beyond, and not through plumbing.
    """
    outgoing = graph.outgoing
    targets = outgoing.targets.copy()
    for row in apart:
        targets[outgoing.offsets[row] : outgoing.offsets[row + 1]] = row
    closed = Csr(outgoing.offsets, targets)
    plumbing = np.zeros(graph.snapshot.objects, np.bool_)
    plumbing[plumbing_rows(graph.snapshot)] = True
    return RetentionPaths(kernels.traverse(closed, [modules], blocked=plumbing).parents)


def _of_types(graph: HeapGraph, types: Sequence[int]) -> Rows:
    found = np.isin(graph.snapshot.type, np.array(types, np.int32)) & graph.live
    return np.flatnonzero(found).astype(np.int32)
