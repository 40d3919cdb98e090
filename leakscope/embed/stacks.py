"""Where the threads and tasks of this process are now: Go's goroutine profile."""

from __future__ import annotations

import asyncio
import sys
import threading
from collections import Counter
from collections.abc import Iterable
from types import CodeType, FrameType
from typing import Any

from leakscope.model.evidence import Site

_DEEPEST = 64
_ALL_TASKS = "_all_tasks" if sys.version_info < (3, 12) else "_scheduled_tasks"
_LOCALS_ARE_SEEN = sys.version_info >= (3, 13)
"""Whether local variables can be looked at without a copy, which would keep them alive until the
function returns."""

Stacks = Counter[tuple[tuple[Site, ...], str]]
"""How many threads and tasks have a stack, innermost first, and which of both they are."""


def stacks_now() -> Stacks:
    """Return where every thread is, but for the one that asks, and every task of running loops."""
    found: Stacks = Counter()
    loops = _loops_with_tasks()
    for ident, top in sys._current_frames().items():
        calls = []
        frame: FrameType | None = top
        while frame is not None:
            calls.append(_site(frame.f_code, frame.f_lineno))
            loops |= _loops_run_by(frame)
            frame = frame.f_back
        if ident != threading.get_ident():
            found[tuple(calls[:_DEEPEST]), "thread"] += 1
    for loop in loops:
        for task in _tasks_of(loop):
            found[_suspended(task), "task"] += 1
    return found


def _loops_with_tasks() -> set[asyncio.AbstractEventLoop]:
    """Return the loops of all tasks, where asyncio keeps tasks in one place: before Python 3.13."""
    kept: Iterable[asyncio.Task[Any]]
    kept = () if _LOCALS_ARE_SEEN else getattr(asyncio.tasks, _ALL_TASKS, ())
    try:
        return {task.get_loop() for task in kept}
    except RuntimeError:  # They changed while they were listed.
        return set()


def _loops_run_by(frame: FrameType) -> set[asyncio.AbstractEventLoop]:
    """Return the loops that a call has as local variables, as those have that run one."""
    if not _LOCALS_ARE_SEEN:
        return set()
    return {
        value
        for value in tuple(frame.f_locals.values())
        if isinstance(value, asyncio.AbstractEventLoop)
    }


def _tasks_of(loop: asyncio.AbstractEventLoop) -> set[asyncio.Task[Any]]:
    try:
        return asyncio.all_tasks(loop)
    except RuntimeError:  # They changed all the time while they were counted.
        return set()


def _suspended(task: asyncio.Task[Any]) -> tuple[Site, ...]:
    """Return the calls that a task waits in, innermost first."""
    calls: list[Site] = []
    waits: Any = task.get_coro()
    while waits is not None and len(calls) < _DEEPEST:
        kind = next((k for k in ("cr", "gi", "ag") if hasattr(waits, f"{k}_frame")), None)
        if kind is None:
            break
        frame = getattr(waits, f"{kind}_frame")
        if frame is not None:
            calls.append(_site(frame.f_code, frame.f_lineno))
        waits = getattr(waits, "gi_yieldfrom" if kind == "gi" else f"{kind}_await")
    return tuple(reversed(calls))


def _site(code: CodeType, line: int | None) -> Site:
    name = getattr(code, "co_qualname", code.co_name)
    return Site(code.co_filename, line or code.co_firstlineno, name)
