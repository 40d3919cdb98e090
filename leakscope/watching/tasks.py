"""Where tasks wait, asked of a process or of a file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from leakscope.capture.process import identify
from leakscope.model.tasks import TaskPicture
from leakscope.storage.files import load
from leakscope.watching.captures import CaptureChoice
from leakscope.watching.explaining import last_heap, looking_into
from leakscope.watching.heap_tasks import tasks_of


def tasks_from_process(
    pid: int,
    choice: CaptureChoice = CaptureChoice.AUTO,
    groups: int = 20,
    told: Callable[[str], None] = lambda _stage: None,
) -> TaskPicture:
    """Return the picture of the tasks of process `pid`; see `tasks_of`.

    Raises `NoHeapKept` where the heap cannot be frozen, and what a snapshot raises.
    """
    with looking_into(identify(pid), choice, "tasks", told) as view:
        return tasks_of(view, groups)


def tasks_from_file(
    path: Path, groups: int = 20, told: Callable[[str], None] = lambda _stage: None
) -> TaskPicture:
    """Return the picture of the tasks in the last heap snapshot of a file; see `tasks_of`."""
    told("objects and references")
    return tasks_of(last_heap(load(path, heaps=(-1,)), path, told), groups)
