"""Local variables and positions of frames that run or are suspended."""

from __future__ import annotations

import sys
from sys import getrefcount
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import FrameType

_OPTIMIZED = 1
_ONLY_THE_FRAME = 3
"""Reference count of a snapshot that nobody has but its frame, our variable and the call."""


def local_names(frame: FrameType) -> dict[int, str]:
    """Return the names of a frame's local variables by the address of what they refer to.

    Before 3.13 asking a frame for its locals leaves a snapshot of them in it. A snapshot that
    nobody else has is emptied again, so that it keeps nothing alive. Module and class bodies
    are not asked: their locals are a namespace of their own.
    """
    if not frame.f_code.co_flags & _OPTIMIZED or frame.f_trace is not None:
        return {}
    names = frame.f_locals
    if sys.version_info >= (3, 13):
        return dict(zip(map(id, list(names.values())), list(names.keys())))  # noqa: B905
    found = dict(zip(map(id, dict.values(names)), dict.keys(names)))  # noqa: B905
    if getrefcount(names) == _ONLY_THE_FRAME:
        dict.clear(names)
    return found


def place_of(frame: FrameType) -> str:
    """Return `function (file:line)` of a frame."""
    code = frame.f_code
    return "%s (%s:%d)" % (function_name(code), code.co_filename, frame.f_lineno or 0)


def function_name(code: object) -> str:
    """Return the qualified name of a code object, from 3.11 on; before that the plain one."""
    name = getattr(code, "co_qualname", None) or code.co_name  # type: ignore[attr-defined]
    return str(name)
