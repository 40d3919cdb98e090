"""The tasks of a frozen heap by the place where they wait: Go's goroutine profile for asyncio."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from leakscope.analysis import kernels
from leakscope.analysis.heapgraph import type_name
from leakscope.analysis.kernels import Rows
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
    rows = task_rows(view)
    addresses = [int(address) for address in view.snapshot.address[rows]]
    waiting: list[_Waiting] = []
    finished = unknown = 0
    for row, calls in zip(rows.tolist(), view.names.suspended(addresses), strict=True):
        if _has_finished(view, row):
            finished += 1
        elif calls:
            shown = tuple(Site(printable(c.file), c.line, printable(c.function)) for c in calls)
            waiting.append(_Waiting(row, shown, _awaited(view, row)))
        else:
            unknown += 1
    alike: dict[tuple[tuple[Site, ...], str], list[_Waiting]] = {}
    for task in waiting:
        alike.setdefault((task.calls, _type_of(view, task.awaits)), []).append(task)
    ordered = sorted(alike.items(), key=lambda item: (-len(item[1]), _place(item[0])))
    return TaskPicture(
        tasks=len(waiting),
        finished=finished,
        unknown=unknown,
        groups=tuple(_group(view, *item) for item in ordered[:groups]),
        more_groups=max(0, len(ordered) - groups),
        pause_ms=view.image.pause_ms,
    )


def task_rows(view: HeapView) -> Rows:
    """Return the tasks that are alive, ascending."""
    names = view.snapshot.type_names
    types = [i for i, name in enumerate(names) if _is_task(name)]
    found = np.isin(view.snapshot.type, np.array(types, np.int32)) & view.graph.live
    rows: Rows = np.flatnonzero(found).astype(np.int32)
    ours = [
        row
        for row in rows.tolist()
        if type_name(view.snapshot, row) in TASK_TYPES or _coroutine_of(view, row) is not None
    ]
    return np.array(ours, np.int32)


def _is_task(name: str) -> bool:
    return name in TASK_TYPES or name.endswith("Task")


def _coroutine_of(view: HeapView, task: int) -> int | None:
    for to in view.graph.outgoing.of(task).tolist():
        if bare(type_name(view.snapshot, to)).endswith(_COROUTINES):
            return int(to)
    return None


def _has_finished(view: HeapView, task: int) -> bool:
    """Return whether a task has nothing left to run.

    Its coroutine may still be there. While that has a frame it refers to it, or from 3.11 on, when
    the frame is a part of it, to the function that runs there.
    """
    code = _coroutine_of(view, task)
    if code is None:
        return True
    if bare(type_name(view.snapshot, code)) not in _COROUTINES:
        return False
    kinds = {bare(type_name(view.snapshot, to)) for to in view.graph.outgoing.of(code).tolist()}
    return not kinds & {"frame", "function"}


def _awaited(view: HeapView, row: int) -> int | None:
    """Return what a task awaits: a future it refers to, and that calls it back.

    A task also refers to futures that only are its result, say, or that it calls back itself.
    """
    for to in view.graph.outgoing.of(row).tolist():
        name = type_name(view.snapshot, to)
        if name.endswith(_AWAITED) and to != row and _calls_back(view, to, row):
            return int(to)
    return None


def _calls_back(view: HeapView, future: int, task: int) -> bool:
    """Return whether a future leads to a task through its list of callbacks, or one of them."""
    near = view.graph.outgoing.of(future).tolist()
    for _ in range(_CALLBACKS_APART):
        if task in near:
            return True
        near = [
            to
            for at in near
            if bare(type_name(view.snapshot, at)) in _CALLBACKS
            for to in view.graph.outgoing.of(at).tolist()
        ]
    return False


def _type_of(view: HeapView, row: int | None) -> str:
    return "" if row is None else printable(type_name(view.snapshot, row))


def _place(key: tuple[tuple[Site, ...], str]) -> tuple[object, ...]:
    calls, awaits = key
    return (*((c.file, c.line, c.function) for c in reversed(calls)), (awaits, 0, ""))


def _group(view: HeapView, key: tuple[tuple[Site, ...], str], tasks: list[_Waiting]) -> TaskGroup:
    rows = np.array([task.row for task in tasks], np.int32)
    return TaskGroup(
        calls=key[0],
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
