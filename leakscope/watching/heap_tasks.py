"""What waits in a frozen heap, by the place: Go's goroutine profile, of tasks and greenlets."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from leakscope.analysis.cancelling import Cancelling
from leakscope.analysis.heapgraph import rows_of_type, type_name
from leakscope.analysis.kernels import Mask, Rows
from leakscope.analysis.wakers import can_go_on
from leakscope.capture.gathering import printable, printable_site
from leakscope.model.evidence import Site
from leakscope.model.tasks import Earlier, Maker, Numbers, TaskGroup, TaskPicture, Waiter
from leakscope.model.typenames import bare
from leakscope.watching.heap_chains import commonest
from leakscope.watching.heap_evidence import telling
from leakscope.watching.heap_view import HeapView
from leakscope.watching.heap_ways import freed_with

TASK_TYPES = frozenset({"_asyncio.Task", "asyncio.tasks.Task", "asyncio.tasks._PyTask"})
"""A task of a class of its own is found by the name of that class: it ends with `Task`."""
_COROUTINES = ("coroutine", "generator")
"""How the names of types end that a task runs; the interpreter's own are called so."""
_LOOP = "Loop"
"""How the names of types end that run tasks of asyncio; each of these refers to its loop."""
_AWAITED = ("Future", "Task")
"""How the names of types end that a task awaits."""

_CALLS_KEPT = "traceback.StackSummary"
"""Type of what asyncio keeps of the calls that made a task, in its debug mode."""
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


_Key = tuple[Waiter, tuple[Site, ...], str | None]
"""What waits, where, and for what; see `TaskGroup`."""


@dataclass(frozen=True, slots=True)
class _Waiting:
    """One task that has not finished, or one greenlet."""

    row: int
    number: int | None = None
    made: tuple[Site, ...] = ()
    """The calls that made it, the outermost first."""
    awaits: int | None = None
    """Row of what it awaits."""


def tasks_of(view: HeapView, groups: int, earlier: Earlier | None = None) -> TaskPicture:
    """Return the tasks and greenlets of a heap that wait, by where; at most so many groups.

    `earlier` is what was seen of the same process before.
    """
    parts = _Parts(view)
    rows = task_rows(view)
    addresses = [int(address) for address in view.snapshot.address[rows]]
    alike: dict[_Key, list[_Waiting]] = {}
    open_ones: list[int] = []
    finished = unknown = 0
    numbers = view.names.numbers(addresses)
    makers = _makers(view, addresses)
    suspended = view.names.suspended(addresses)
    told = zip(rows.tolist(), numbers, makers, suspended, strict=True)
    for row, number, made, calls in told:
        if parts.has_finished(row):
            finished += 1
            continue
        open_ones.append(row)
        if calls:
            awaits = parts.awaited(row)
            key = (Waiter.TASK, tuple(calls), _awaited_type(view, parts, row, awaits))
            alike.setdefault(key, []).append(_Waiting(row, number, made, awaits))
        else:
            unknown += 1
    waiting = [task for tasks in alike.values() for task in tasks]
    lost = _lost(view, parts, waiting, np.array(open_ones, np.int32))
    greenlets = _suspended_greenlets(view)
    ordered = sorted(
        (*alike.items(), *greenlets.items()), key=lambda item: (-len(item[1]), _place(item[0]))
    )
    return TaskPicture(
        tasks=len(waiting),
        greenlets=sum(map(len, greenlets.values())),
        finished=finished,
        unknown=unknown,
        groups=tuple(_group(view, *item, lost, earlier) for item in ordered[:groups]),
        more_groups=max(0, len(ordered) - groups),
        pause_ms=view.image.pause_ms,
        newest=_newest(numbers),
        earlier=earlier,
    )


def newest_task(view: HeapView) -> int:
    """Return the highest number of a task that is alive, finished or not; 0 if none has one."""
    addresses = [int(address) for address in view.snapshot.address[task_rows(view)]]
    return _newest(view.names.numbers(addresses)) or 0


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


def _suspended_greenlets(view: HeapView) -> dict[_Key, list[_Waiting]]:
    """Return the greenlets that wait: those that have calls and run on no thread."""
    rows = view.greenlets
    alike: dict[_Key, list[_Waiting]] = {}
    suspended = view.names.suspended([int(address) for address in view.snapshot.address[rows]])
    for row, calls in zip(rows.tolist(), suspended, strict=True):
        if calls:
            alike.setdefault((Waiter.GREENLET, tuple(calls), None), []).append(_Waiting(row))
    return alike


class _Parts:
    """What the objects around tasks are, by their types."""

    def __init__(self, view: HeapView) -> None:
        names = [bare(name) for name in view.snapshot.type_names]
        types = view.snapshot.type
        self._graph = view.graph
        self._names = names
        self._is_code = np.array([name.endswith(_COROUTINES) for name in names], np.bool_)[types]
        self._is_plain = np.array([name in _COROUTINES for name in names], np.bool_)[types]
        self._runs = np.array([name in ("frame", "function") for name in names], np.bool_)[types]
        self._loops = np.array([name.endswith(_LOOP) for name in names], np.bool_)[types]
        self._ends = np.array([name.endswith(_AWAITED) for name in names], np.bool_)[types]
        self._calls = np.array([name in _CALLBACKS for name in names], np.bool_)[types]

    def cancelling(self, tasks: Rows) -> Cancelling:
        """Return what tells which of `tasks` will be cancelled."""
        mask = np.zeros(len(self._is_code), np.bool_)
        mask[tasks] = True
        return Cancelling(self._graph, self._names, mask, self._is_code)

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

    def is_of_asyncio(self, task: int) -> bool:
        """Return whether a task refers to a loop, as tasks of asyncio do."""
        return bool(self._referents(task, self._loops))

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


def _awaited_type(view: HeapView, parts: _Parts, task: int, awaited: int | None) -> str | None:
    """Return what `TaskGroup.waits_for` says of a task."""
    if awaited is not None:
        return printable(type_name(view.snapshot, awaited))
    return "" if parts.is_of_asyncio(task) else None


def _place(key: _Key) -> tuple[Site, ...]:
    _, calls, awaits = key
    return (*reversed(calls), Site(awaits or "", 0, ""))


def _group(
    view: HeapView, key: _Key, tasks: list[_Waiting], lost: set[int], earlier: Earlier | None
) -> TaskGroup:
    rows = np.array([task.row for task in tasks], np.int32)
    waiter, calls, waits_for = key
    numbers = sorted(task.number for task in tasks if task.number is not None)
    older = None if earlier is None or not numbers else bisect_right(numbers, earlier.newest)
    return TaskGroup(
        waiter=waiter,
        calls=tuple(map(printable_site, calls)),
        waits_for=waits_for,
        count=len(tasks),
        retained_bytes=freed_with(view, rows),
        chain=view.chains.chain(commonest(view.snapshot, view.paths, rows)),
        stranded=sum(task.row in lost for task in tasks),
        numbers=_numbers(numbers),
        made_by=_maker(tasks),
        older=older,
        younger=0 if older is None else len(numbers) - older,
    )


def _makers(view: HeapView, addresses: Sequence[int]) -> Sequence[tuple[Site, ...]]:
    """Return the calls that made each of some tasks; empty where asyncio keeps none."""
    if not len(rows_of_type(view.snapshot, _CALLS_KEPT)):
        return [()] * len(addresses)
    return view.names.makers(addresses)


def _maker(tasks: Sequence[_Waiting]) -> Maker | None:
    """Return the call that made most of some tasks."""
    counts: Counter[Site] = Counter()
    for calls, count in Counter(task.made for task in tasks).items():
        site = telling(calls)
        if site is not None:
            counts[site] += count
    if not counts:
        return None
    site = min(counts, key=lambda site: (-counts[site], site))
    return Maker(site, counts[site])


def _newest(numbers: Sequence[int | None]) -> int | None:
    return max((number for number in numbers if number is not None), default=None)


def _numbers(ascending: list[int]) -> Numbers | None:
    if not ascending:
        return None
    return Numbers(ascending[0], ascending[(len(ascending) - 1) // 2], ascending[-1])


def _lost(view: HeapView, parts: _Parts, waiting: list[_Waiting], rows: Rows) -> set[int]:
    """Return the tasks that never finish: nothing can wake them, nothing at work cancels them.

    `rows`: all tasks that have not finished. One that awaits nothing is about to run.
    """
    told = sorted((task.row, task.awaits) for task in waiting if task.awaits is not None)
    tasks = np.array([row for row, _ in told], np.int32)
    awaited = np.array([future for _, future in told], np.int32)
    if not len(tasks):
        return set()
    awake = can_go_on(view.graph, tasks, awaited)
    going = np.setdiff1d(rows, tasks[~awake])
    ends = parts.cancelling(rows).ends(going, tasks, awaited)
    return set(tasks[~awake & ~ends[tasks]].tolist())
