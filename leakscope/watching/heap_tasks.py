"""The tasks of a frozen heap by the place where they wait: Go's goroutine profile for asyncio."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from leakscope.analysis import kernels
from leakscope.analysis.heapgraph import type_name
from leakscope.analysis.kernels import Mask, Rows
from leakscope.capture.gathering import printable
from leakscope.model.evidence import Site
from leakscope.model.tasks import TaskGroup, TaskPicture
from leakscope.model.typenames import bare
from leakscope.watching.heap_chains import commonest
from leakscope.watching.heap_view import HeapView
from leakscope.watching.heap_ways import freed_with

TASK_TYPES = frozenset({"_asyncio.Task", "asyncio.tasks.Task", "asyncio.tasks._PyTask"})
"""A task of a class of its own is found by the name of that class: it ends with `Task`."""
_COROUTINES = ("coroutine", "generator")
"""How the names of types end that a task runs; the interpreter's own are called so."""
_AWAITED = ("Future", "Task")
"""How the names of types end that a task awaits."""

_CALLBACKS = frozenset(
    {
        "list",
        "tuple",
        "method",
        "builtin_function_or_method",
        "TaskWakeupMethWrapper",
        "_asyncio.TaskWakeupMethWrapper",
        "method-wrapper",
    }
)
"""What stands between a future and the task that it wakes."""
_CALLBACKS_APART = 4
"""Steps from a future over its list, a pair in it and the callback to the task."""


@dataclass(frozen=True, slots=True)
class _Waiting:
    """One task that has not finished."""

    row: int
    calls: tuple[Site, ...]
    awaits: int | None
    """Row of what it awaits."""


def tasks_of(view: HeapView, groups: int) -> TaskPicture:
    """Return the tasks of a heap that are alive, by where they wait; at most so many groups."""
    parts = _Parts(view)
    rows = task_rows(view)
    addresses = [int(address) for address in view.snapshot.address[rows]]
    alike: dict[tuple[tuple[Site, ...], str], list[_Waiting]] = {}
    finished = unknown = 0
    for row, calls in zip(rows.tolist(), view.names.suspended(addresses), strict=True):
        if parts.has_finished(row):
            finished += 1
        elif calls:
            awaits = parts.awaited(row)
            key = (tuple(calls), _type_of(view, awaits))
            alike.setdefault(key, []).append(_Waiting(row, key[0], awaits))
        else:
            unknown += 1
    ordered = sorted(alike.items(), key=lambda item: (-len(item[1]), _place(item[0])))
    return TaskPicture(
        tasks=sum(map(len, alike.values())),
        finished=finished,
        unknown=unknown,
        groups=tuple(_group(view, *item) for item in ordered[:groups]),
        more_groups=max(0, len(ordered) - groups),
        pause_ms=view.image.pause_ms,
    )


def task_rows(view: HeapView) -> Rows:
    """Return the tasks that are alive, ascending."""
    parts = _Parts(view)
    names = view.snapshot.type_names
    types = [i for i, name in enumerate(names) if name in TASK_TYPES or name.endswith("Task")]
    found = np.isin(view.snapshot.type, np.array(types, np.int32)) & view.graph.live
    ours = [
        row
        for row in np.flatnonzero(found).tolist()
        if type_name(view.snapshot, row) in TASK_TYPES or parts.coroutine_of(row) is not None
    ]
    return np.array(ours, np.int32)


class _Parts:
    """What the objects around tasks are, by their types."""

    def __init__(self, view: HeapView) -> None:
        names = [bare(name) for name in view.snapshot.type_names]
        types = view.snapshot.type
        self._graph = view.graph
        self._is_code = np.array([name.endswith(_COROUTINES) for name in names], np.bool_)[types]
        self._is_plain = np.array([name in _COROUTINES for name in names], np.bool_)[types]
        self._runs = np.array([name in ("frame", "function") for name in names], np.bool_)[types]
        self._ends = np.array([name.endswith(_AWAITED) for name in names], np.bool_)[types]
        self._calls = np.array([name in _CALLBACKS for name in names], np.bool_)[types]

    def coroutine_of(self, task: int) -> int | None:
        """Return what a task runs, None if it has nothing left."""
        found = self._referents(task, self._is_code)
        return found[0] if found else None

    def has_finished(self, task: int) -> bool:
        """Return whether a task has nothing left to run.

        Its coroutine may still be there. While that has a frame it refers to it, or from 3.11 on,
        when the frame is a part of it, to the function that runs there.
        """
        code = self.coroutine_of(task)
        if code is None:
            return True
        return bool(self._is_plain[code]) and not self._referents(code, self._runs)

    def awaited(self, task: int) -> int | None:
        """Return what a task awaits: a future it refers to, and that calls it back.

        A task also refers to futures that only are its result, say, or that it calls back itself.
        """
        near = [to for to in self._referents(task, self._ends) if to != task]
        callers = self._callers(task) if near else set()
        return next((to for to in near if to in callers), None)

    def _callers(self, task: int) -> set[int]:
        """Return what leads to a task over a callback: directly, in a list of them, in a pair."""
        found: set[int] = set()
        near = {task}
        for _ in range(_CALLBACKS_APART):
            above = {at for row in near for at in self._graph.incoming.of(row).tolist()}
            found |= above
            near = {at for at in above if self._calls[at]}
        return found

    def _referents(self, row: int, wanted: Mask) -> list[int]:
        found = self._graph.outgoing.of(row)
        return [int(to) for to in found[wanted[found]]]


def _type_of(view: HeapView, row: int | None) -> str:
    return "" if row is None else printable(type_name(view.snapshot, row))


def _place(key: tuple[tuple[Site, ...], str]) -> tuple[object, ...]:
    calls, awaits = key
    return (*((c.file, c.line, c.function) for c in reversed(calls)), (awaits, 0, ""))


def _group(view: HeapView, key: tuple[tuple[Site, ...], str], tasks: list[_Waiting]) -> TaskGroup:
    rows = np.array([task.row for task in tasks], np.int32)
    return TaskGroup(
        calls=tuple(Site(printable(c.file), c.line, printable(c.function)) for c in key[0]),
        waits_for=key[1],
        tasks=len(tasks),
        retained_bytes=freed_with(view, rows),
        chain=view.chains.chain(commonest(view.snapshot, view.paths, rows)),
        stranded=_stranded(view, tasks),
    )


def _stranded(view: HeapView, tasks: list[_Waiting]) -> int:
    """Return how many of these tasks nothing can wake any more.

    Only what can reach a future can resolve it. So a task is lost whose future is reached from the
    roots through these tasks alone: whatever runs, has a timer, a connection or a name does not
    get there. One that awaits nothing is about to run.
    """
    awaited = np.array([-1 if task.awaits is None else task.awaits for task in tasks], np.int32)
    closed = np.zeros(view.snapshot.objects, np.bool_)
    closed[[task.row for task in tasks]] = True
    others = kernels.reachable(view.graph.outgoing, view.graph.roots, blocked=closed)
    known = awaited[awaited >= 0]
    return int((~others[known] & ~closed[known]).sum())
