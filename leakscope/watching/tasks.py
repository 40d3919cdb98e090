"""Where tasks wait, asked of a process or of a file."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from leakscope.capture.process import ProcessIdentity, identify
from leakscope.model.tasks import Earlier, TaskPicture
from leakscope.storage.files import load
from leakscope.watching.captures import CaptureChoice
from leakscope.watching.explaining import last_heap, looking_into
from leakscope.watching.heap_tasks import newest_task, tasks_of


def tasks_from_process(
    pid: int,
    choice: CaptureChoice = CaptureChoice.AUTO,
    groups: int = 20,
    told: Callable[[str], None] = lambda _stage: None,
    *,
    over: float | None = None,
) -> TaskPicture:
    """Return the picture of the tasks of process `pid`; see `tasks_of`.

    With `over` it is looked at so many seconds before, too, to tell which tasks are older.
    Raises `NoHeapKept` where the heap cannot be frozen, and what a snapshot raises.
    """
    identity = identify(pid)
    earlier = None if over is None else _earlier(identity, choice, over, told)
    with looking_into(identity, choice, "tasks", told) as view:
        return tasks_of(view, groups, earlier)


def tasks_from_file(
    path: Path, groups: int = 20, told: Callable[[str], None] = lambda _stage: None
) -> TaskPicture:
    """Return the picture of the tasks in the last heap snapshot of a file; see `tasks_of`."""
    told("objects and references")
    return tasks_of(last_heap(load(path, heaps=(-1,)), path, told), groups)


def _earlier(
    identity: ProcessIdentity, choice: CaptureChoice, seconds: float, told: Callable[[str], None]
) -> Earlier:
    """Look at the tasks of a process, let so much time pass, and return what was seen."""
    with looking_into(identity, choice, "tasks", told) as view:
        newest = newest_task(view)
    told("tasks that grow older")
    time.sleep(seconds)
    return Earlier(seconds, newest)
