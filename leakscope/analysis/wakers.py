"""Which tasks anything can still wake.

Only what can reach a future can resolve it. What runs, has a timer, a connection or a name gets
there from the roots; a task that waits does not, until it goes on itself. So the tasks that can go
on are found together, as the least fixed point: those whose future is reached from the roots on
ways through no waiting task, then those whose future is reached through these, and so on.
"""

from __future__ import annotations

import numpy as np

from leakscope.analysis import kernels
from leakscope.analysis.heapgraph import HeapGraph
from leakscope.analysis.kernels import Mask, Rows

_NOTHING = -1


def can_go_on(graph: HeapGraph, tasks: Rows, awaited: Rows) -> Mask:
    """Return which of `tasks` can still be woken, one entry for each.

    `awaited` has for each task, which all wait, the future that calls it back. A task that waits
    for another task goes on when that one does, whoever can reach it: nobody else ends a task. Such
    as wait for each other in a circle never do.
    """
    return kernels.woken(graph.outgoing, graph.roots, tasks, _ends_of_chains(tasks, awaited))


def _ends_of_chains(tasks: Rows, awaited: Rows) -> Rows:
    """Return what each task waits for in the end, where it waits for one of the others.

    `_NOTHING` for those that wait in a circle.
    """
    order = np.argsort(tasks, kind="stable")
    place = np.minimum(np.searchsorted(tasks[order], awaited), max(0, len(tasks) - 1))
    is_task = tasks[order][place] == awaited if len(tasks) else np.empty(0, np.bool_)
    ahead = np.where(is_task, order[place] if len(tasks) else 0, np.arange(len(tasks)))
    for _ in range(len(tasks).bit_length()):
        ahead = ahead[ahead]
    ends: Rows = np.where(is_task[ahead], _NOTHING, awaited[ahead]).astype(np.int32)
    return ends
