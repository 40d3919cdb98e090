"""Coroutines, generators and tasks: which code they run and where it is suspended."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from leakscope.capture.payload.classes import FUNCTION, class_namespace, inherits
from leakscope.capture.payload.frames import function_name
from leakscope.capture.payload.instances import stored_value

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from types import FrameType

    from leakscope.capture.payload.passes import Thing


async def _coroutine() -> None:
    """Exist, to have a type."""


async def _async_generator() -> AsyncIterator[None]:
    yield


def _fields() -> dict[int, tuple[str, str]]:
    coroutine = _coroutine()
    coroutine.close()
    return {
        id(type((lambda: (yield))())): ("gi_frame", "gi_yieldfrom"),
        id(type(coroutine)): ("cr_frame", "cr_await"),
        id(type(_async_generator())): ("ag_frame", "ag_await"),
    }


_FIELDS_OF = _fields()
"""What each kind of suspended function calls its frame and what it waits for, by id of type."""
_LONGEST_AWAIT = 50


def is_suspendable(value: Thing) -> bool:
    """Return whether `value` is a coroutine, a generator or an asynchronous generator."""
    return id(type(value)) in _FIELDS_OF


def frame_of(suspended: Thing) -> FrameType | None:
    """Return the frame of a coroutine or generator, None once it has ended."""
    frame: FrameType | None = getattr(suspended, _FIELDS_OF[id(type(suspended))][0])
    return frame


def awaited_by(suspended: Thing) -> Thing:
    """Return what a coroutine or generator waits for; None for anything else."""
    fields = _FIELDS_OF.get(id(type(suspended)))
    return None if fields is None else getattr(suspended, fields[1])


def coroutine_of(task: Thing) -> object:
    """Return the coroutine that an asyncio task runs; None for anything else."""
    native = _member("_asyncio", "Task")
    if native is not None and inherits(type(task), native):
        return class_namespace(native)["get_coro"](task)
    plain = _member("asyncio.tasks", "_PyTask")
    if plain is not None and inherits(type(task), plain):
        return stored_value(task, "_coro")
    return None


def is_code(value: Thing) -> bool:
    """Return whether `value` is something that runs or will: task, coroutine or function."""
    return is_suspendable(value) or type(value) is FUNCTION or coroutine_of(value) is not None


def site_of(value: Thing) -> tuple[str, int, str] | None:
    """Return file, line and function where code is suspended, or where a function is defined.

    Of the functions that await each other, the innermost is told that is not the standard
    library's, or else the innermost.
    """
    if type(value) is FUNCTION:
        code = value.__code__
        return (code.co_filename, code.co_firstlineno, function_name(code))
    places: list[tuple[str, int, str]] = []
    coroutine = coroutine_of(value)
    awaited = value if coroutine is None else coroutine
    while is_suspendable(awaited) and len(places) < _LONGEST_AWAIT:
        frame = frame_of(awaited)
        if frame is None:
            break
        code = frame.f_code
        places.append((code.co_filename, frame.f_lineno or 0, function_name(code)))
        awaited = awaited_by(awaited)
    own = [place for place in places if not _is_of_library(place[0])]
    chosen = own or places
    return chosen[-1] if chosen else None


def _member(module: str, name: str) -> type | None:
    loaded = sys.modules.get(module)
    found = vars(loaded).get(name) if type(loaded) is type(sys) else None
    return found if type(found) is type else None


def _is_of_library(file: str) -> bool:
    """Return whether a file is the standard library's, judged by where `os` is."""
    os = sys.modules.get("os")
    home = vars(os).get("__file__") if type(os) is type(sys) else None
    if type(home) is not str:
        return False
    library = home[: -len("os.py")]
    return file.startswith((library, "<frozen")) and "-packages" not in file[len(library) :]
