"""Chains through a frozen heap in words: from what has a name to what is to be explained."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from leakscope.analysis.heapgraph import is_greenlet, type_name
from leakscope.analysis.kernels import Rows
from leakscope.analysis.retention import Chain, RetentionPaths
from leakscope.capture.gathering import printable
from leakscope.model.evidence import HELD_BY, Step
from leakscope.model.heap import HeapSnapshot
from leakscope.model.roots import HeapRoots, LocalRoot
from leakscope.model.typenames import bare, is_code
from leakscope.watching.naming import UNNAMED, ReferenceNames

_CELL = "cell"
_LINKS = 8
"""Links from which on a chain is said to run along a list."""
LONG = 10_000
"""Objects beyond which one chain is enough to be looked at."""
_FIELDS = {
    "_asyncio.Future": {
        "done callback": "callback",
        "done callbacks": "callback",
        UNNAMED: "callback",
    }
}
"""By type: what its references are called where captures know them by different names."""
_MOST_SHAPES = 64
"""Chains that are compared to find the one that is like most."""


def commonest(snapshot: HeapSnapshot, paths: RetentionPaths, rows: Rows) -> Chain:
    """Return the chain to one of `rows` that is like those to most of them; empty without any.

    Chains are alike that lead through the same types, however often those of a linked list.
    Among equals the last decides.
    """
    if not len(rows):
        return ()
    spaced = rows[np.linspace(0, len(rows) - 1, min(len(rows), _MOST_SHAPES)).astype(np.int64)]
    alike: dict[tuple[int, ...], list[Chain]] = {}
    for row in spaced:
        chain = paths.to(int(row))
        if chain:
            folded = [at for part in without_repetition(snapshot, chain) for at in part]
            alike.setdefault(tuple(snapshot.type[folded].tolist()), []).append(chain)
        if len(chain) > LONG:
            break
    most = max(reversed(alike.values()), key=len, default=[()])
    return most[-1]


def without_repetition(snapshot: HeapSnapshot, chain: Chain) -> list[Chain]:
    """Return the parts of a chain between which it runs along linked lists.

    Of each list the first link is kept; the next part begins with the last one, which is of the
    same type.
    """
    types = snapshot.type[list(chain)]
    parts: list[Chain] = []
    begin = at = 0
    while at < len(chain):
        period, links = _run(types, at)
        # A link begins with an object, not with the dict of the attributes of the one before.
        if links < _LINKS or (period > 1 and bare(type_name(snapshot, chain[at])) == "dict"):
            at += 1
            continue
        parts.append(chain[begin : at + period + 1])
        begin = at + period * links
        at = begin + 1
    return [*parts, chain[begin:]]


def _run(types: npt.NDArray[np.int32], at: int) -> tuple[int, int]:
    """Return how many objects make one link of the list that begins here, and how many links."""
    for period in (1, 2, 3):
        if at + period * (_LINKS + 1) > len(types):
            break
        if not (types[at : at + period] == types[at + period : at + 2 * period]).all():
            continue
        differs = np.flatnonzero(types[at + period :] != types[at : len(types) - period])
        same = int(differs[0]) if len(differs) else len(types) - period - at
        if same >= period * _LINKS:
            return period, -(-same // period)
    return 0, 0


class ChainNames:
    """Puts chains of one heap into words."""

    def __init__(self, snapshot: HeapSnapshot, names: ReferenceNames, named: HeapRoots) -> None:
        self._snapshot = snapshot
        self._names = names
        self._modules = {module.address: module.name for module in reversed(named.modules)}
        self._threads = named.threads
        self._locals: dict[int, LocalRoot] = {}
        for local in named.locals:
            self._locals.setdefault(local.address, local)

    def chain(self, rows: Chain) -> tuple[Step, ...]:
        """Return (edge, type) from a named root on; empty for an empty chain.

        An object that only C code holds is the beginning of a chain that is marked as `HELD_BY`.
        """
        if not rows:
            return ()
        address = int(self._snapshot.address[rows[0]])
        module, local = self._modules.get(address), self._locals.get(address)
        if module is not None:
            return (self._step(f"module {module}", rows[0]), *self.steps(rows))
        if local is not None:
            frame = local.label.rpartition(" local ")[0]
            beyond = rows[1:] if bare(self._type(rows[0])) == _CELL and len(rows) > 1 else rows
            place = Step(printable(frame), "builtins.frame")
            variable = self._step(f"local {local.variable}", beyond[0])
            return (place, variable, *self.steps(beyond))
        return (self._step(self._label(rows[0], address), rows[0]), *self.steps(rows))

    def steps(self, rows: Chain) -> tuple[Step, ...]:
        """Return (edge, type) for each reference from one of `rows` to the next.

        What is only a part of the object before it gets no step, unless it is the last. Of a
        linked list only the first link is told.
        """
        parts = without_repetition(self._snapshot, rows)
        return tuple(
            step for part in parts for step in self._steps(part, is_last=part is parts[-1])
        )

    def _steps(self, rows: Chain, *, is_last: bool) -> list[Step]:
        edges = self._edges(rows)
        steps = [
            self._step(self._spelled(edge, before), row)
            for edge, before, row in zip(edges, rows, rows[1:], strict=False)
            if edge
        ]
        if is_last and edges and not edges[-1]:
            steps.append(self._step(self._part(rows), rows[-1]))
        return steps

    def _edges(self, rows: Chain) -> tuple[str, ...]:
        return self._names.chain([int(self._snapshot.address[row]) for row in rows])

    def _part(self, rows: Chain) -> str:
        """Return what the reference to a part is called when nothing comes after it."""
        name = bare(self._type(rows[-1]))
        if name == _CELL:
            inside = self._inside(rows[-1])
            return self._edges((*rows, inside))[-1] if inside is not None else "<cell>"
        return {"dict": ".__dict__", "tuple": ".__closure__"}.get(name, name)

    def _inside(self, cell: int) -> int | None:
        offsets, targets = self._snapshot.offsets, self._snapshot.targets
        found = targets[offsets[cell] : offsets[cell + 1]]
        return int(found[0]) if len(found) else None

    def edge(self, start: int, end: int) -> str:
        """Return what the reference from one row to another is called."""
        found = self._names.chain([int(self._snapshot.address[row]) for row in (start, end)])
        return printable(found[0])

    def knows(self, rows: Chain) -> bool:
        """Return whether every reference along a chain can be named for certain."""
        return self._names.knows([int(self._snapshot.address[row]) for row in rows])

    def is_part(self, rows: Chain) -> bool:
        """Return whether the last object of a chain is only a part of the one before it."""
        return not self._edges(rows)[-1]

    def _label(self, row: int, address: int) -> str:
        of_thread = next(filter(None, (t.label(address) for t in self._threads)), None)
        if of_thread is not None:
            return of_thread
        name = self._type(row)
        if bare(name) == "type":
            return self._names.root(address)
        suspends = is_greenlet(self._snapshot, row)
        sites = self._names.suspended([address])[0] if suspends or is_code(name) else ()
        if not sites:
            return HELD_BY
        kind = "task" if name.endswith("Task") else "greenlet" if suspends else bare(name)
        return f"{kind} {sites[0].function} ({sites[0].file}:{sites[0].line})"

    def _step(self, edge: str, row: int) -> Step:
        return Step(printable(edge), printable(self._type(row)))

    def _spelled(self, edge: str, owner: int) -> str:
        """Return what a reference of `owner` is called in every capture."""
        known = _FIELDS.get(self._type(owner), {})
        return known.get(edge, edge)

    def _type(self, row: int) -> str:
        return type_name(self._snapshot, row)
