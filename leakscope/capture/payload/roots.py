"""What the functions that run right now refer to by name."""

from __future__ import annotations

import sys
from sys import _current_frames
from typing import TYPE_CHECKING

from leakscope.capture.payload.frames import local_names, place_of
from leakscope.capture.payload.modules import MODULE, module_namespace

if TYPE_CHECKING:
    from types import FrameType

_DEEPEST_STACK = 200


def named_by_threads() -> dict[int, tuple[str, str, str]]:
    """Return thread, frame and local variable for all that running functions refer to, by address.

    Where several of a thread do, the one called first is told: it is there for longest.
    """
    found: dict[int, tuple[str, str, str]] = {}
    for ident, top in list(_current_frames().items()):
        frame: FrameType | None = top
        thread, of_thread = _thread_name(ident), dict[int, tuple[str, str, str]]()
        for _ in range(_DEEPEST_STACK):
            if frame is None or frame.f_globals is globals():
                break
            for value, name in local_names(frame).items():
                of_thread[value] = (thread, place_of(frame), name)
            frame = frame.f_back
        of_thread.update(found)
        found = of_thread
    return found


def _thread_name(ident: int) -> str:
    threading = sys.modules.get("threading")
    active = module_namespace(threading).get("_active") if type(threading) is MODULE else None
    thread = active.get(ident) if type(active) is dict else None
    try:
        name = None if thread is None else object.__getattribute__(thread, "_name")
    except AttributeError:
        name = None
    return name if type(name) is str else "%d" % ident
