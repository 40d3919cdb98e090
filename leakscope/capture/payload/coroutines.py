"""Coroutines, generators and tasks: which code they run and where it is suspended."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from leakscope.capture.payload.classes import FUNCTION, class_namespace, inherits
from leakscope.capture.payload.frames import function_name
from leakscope.capture.payload.instances import stored_value

if TYPE_CHECKING:
    from types import FrameType


async def _coroutine() -> None:
    """Exist, to have a type."""


async def _async_generator():  # type: ignore[no-untyped-def]  # noqa: ANN202
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


def is_suspendable(value: object) -> bool:
    """Return whether `value` is a coroutine, a generator or an asynchronous generator."""
    return id(type(value)) in _FIELDS_OF


def frame_of(suspended: object) -> FrameType | None:
    """Return the frame of a coroutine or generator, None once it has ended."""
    return getattr(suspended, _FIELDS_OF[id(type(suspended))][0])  # type: ignore[no-any-return]


def coroutine_of(task: object) -> object:
    """Return the coroutine that an asyncio task runs; None for anything else."""
    native = _member("_asyncio", "Task")
    if native is not None and inherits(type(task), native):
        return class_namespace(native)["get_coro"](task)  # type: ignore[operator]
    plain = _member("asyncio.tasks", "_PyTask")
    if plain is not None and inherits(type(task), plain):
        return stored_value(task, "_coro")
    return None


def is_code(value: object) -> bool:
    """Return whether `value` is something that runs or will: task, coroutine or function."""
    return is_suspendable(value) or type(value) is FUNCTION or coroutine_of(value) is not None


def site_of(value: object) -> tuple[str, int, str] | None:
    """Return file, line and function where code is suspended, or where a function is defined.

    Of the functions that await each other, the innermost is told that is not the standard
    library's, or else the innermost.
    """
    if type(value) is FUNCTION:
        code = value.__code__  # type: ignore[attr-defined]
        return (code.co_filename, code.co_firstlineno, function_name(code))
    places = []
    coroutine = coroutine_of(value)
    awaited = value if coroutine is None else coroutine
    while is_suspendable(awaited) and len(places) < _LONGEST_AWAIT:
        frame = frame_of(awaited)
        if frame is None:
            break
        code = frame.f_code
        places.append((code.co_filename, frame.f_lineno or 0, function_name(code)))
        awaited = getattr(awaited, _FIELDS_OF[id(type(awaited))][1])
    own = [place for place in places if not _is_of_library(place[0])]
    return (own or places or [None])[-1]


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
