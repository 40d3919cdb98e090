"""Which tasks will be cancelled by something that is at work already.

A task that nothing can wake still ends if a timeout cancels it, or the group that it belongs to.
What may cancel it is looked for close by: a timer that leads to it in a few steps, the suspended
call of a task that goes on and waits for it, a group that such a call is in. Whoever has it by name
may cancel it too, one day; that is not counted.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from leakscope.analysis.heapgraph import HeapGraph
from leakscope.analysis.kernels import Mask, Rows

_TIMERS = ("Handle",)
"""How the types of what an event loop is to call are named: `TimerHandle`, `uvloop.loop.Handle`."""
_FROM_TIMER = 5
"""Steps from a timer over its callback and what that belongs to, to the task."""
_GROUPS = ("TaskGroup", "GatheringFuture", "CancelScope", "Nursery")
"""How the types are named that cancel the tasks in them."""
_FROM_GROUP = 3
"""Steps from a group over its attributes and the set of its tasks."""
_FROM_FUTURE = 3
"""Steps from what gathers tasks, over its attributes and the list of them."""
_FAR = ("Loop", "module", "function", "type", "Context", "hamt", "frame")
"""How the types are named of what leads to everything: no way from a timer goes through it."""


class Cancelling:
    """A heap that is asked which tasks will be cancelled."""

    def __init__(self, graph: HeapGraph, names: Sequence[str], tasks: Mask, code: Mask) -> None:
        """`names`: of the heap's types, without modules; `tasks`, `code`: rows that are such.

        Frames are objects of their own up to 3.10, later a part of the code that is suspended.
        """
        types = graph.snapshot.type
        self._graph = graph
        self._tasks = tasks
        self._code = code | np.array([name == "frame" for name in names], np.bool_)[types]
        far = np.array([name.endswith(_FAR) for name in names], np.bool_)[types]
        self._closed = far | tasks | self._globals(names)
        self._groups = np.array([name.endswith(_GROUPS) for name in names], np.bool_)[types]
        timers = np.array([name.endswith(_TIMERS) for name in names], np.bool_)[types]
        self._timers = np.flatnonzero(timers & graph.live).astype(np.int32)

    def _globals(self, names: Sequence[str]) -> Mask:
        """Return which objects modules refer to: their dicts, and through these all there is."""
        graph = self._graph
        found = np.zeros(graph.snapshot.objects, np.bool_)
        kinds = [i for i, name in enumerate(names) if name == "module"]
        modules = np.flatnonzero(np.isin(graph.snapshot.type, np.array(kinds, np.int32)))
        found[graph.outgoing.of_all(modules.astype(np.int32))[1]] = True
        return found

    def ends(self, going: Rows, waiting: Rows, awaited: Rows) -> Mask:
        """Return which tasks, by row, a timer, a group or who waits for them will cancel.

        `going`: the tasks that go on by themselves; `waiting`: all that wait, ascending; `awaited`:
        what for.
        """
        found = np.zeros(self._graph.snapshot.objects, np.bool_)
        new = np.union1d(self._near(self._timers, _FROM_TIMER), self._waited_for(going))
        while len(new):
            found[new] = True
            futures = awaited[np.isin(waiting, new, assume_unique=True)]
            more = np.union1d(self._waited_for(new), self._near(futures, _FROM_FUTURE))
            new = more[~found[more]]
        return found

    def _waited_for(self, tasks: Rows) -> Rows:
        """Return the tasks that the suspended calls of tasks have, or the groups in them have."""
        near = self._after(self._suspended(tasks))
        groups = near[self._groups[near]]
        return np.union1d(near[self._tasks[near]], self._near(groups, _FROM_GROUP))

    def _suspended(self, tasks: Rows) -> Rows:
        """Return the coroutines of tasks and those that they await in turn."""
        calls = edge = self._after(tasks, self._code)
        while len(edge):
            edge = np.setdiff1d(self._after(edge, self._code), calls)
            calls = np.union1d(calls, edge)
        return calls

    def _near(self, starts: Rows, steps: int) -> Rows:
        """Return the tasks that are so few steps away, on ways through nothing that is far."""
        edge = np.unique(starts)
        found = edge[self._tasks[edge]]
        for _ in range(steps):
            edge = self._after(edge[~self._closed[edge]])
            found = np.union1d(found, edge[self._tasks[edge]])
        return found

    def _after(self, rows: Rows, wanted: Mask | None = None) -> Rows:
        """Return what rows refer to, each once, ascending; those that are `wanted` alone."""
        ends = self._graph.outgoing.of_all(rows)[1]
        return np.unique(ends if wanted is None else ends[wanted[ends]])
