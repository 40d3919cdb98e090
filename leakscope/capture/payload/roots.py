"""What the target's modules and running threads refer to by name.

Modules are read forward, from `sys.modules`: that finds them whether or not gc can see them (a
server that froze its heap before forking hides them from back references).
"""

from __future__ import annotations

import sys
from itertools import compress
from sys import _current_frames
from typing import TYPE_CHECKING

from leakscope.capture.payload.classes import inherits
from leakscope.capture.payload.frames import local_name

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

MODULE = type(sys)
_module_dict = MODULE.__dict__["__dict__"].__get__
_DEEPEST_STACK = 200


def modules() -> Iterator[tuple[str, dict[str, object]]]:
    """Yield name and namespace of each loaded module, in the order of loading."""
    for name, module in list(sys.modules.items()):
        if type(name) is str and inherits(type(module), MODULE):
            namespace = _module_dict(module)
            if type(namespace) is dict and namespace is not globals():
                yield name, namespace


def named_by_modules(wanted: set[int]) -> dict[int, tuple[str, str]]:
    """Return module and global name for the objects at `wanted` that have one.

    Where several modules have it, `__main__` gives way to any other; otherwise the module that
    was loaded first is named.
    """
    found: dict[int, tuple[str, str]] = {}
    for module, namespace in modules():
        for key in _keys_of(namespace, wanted):
            value = id(namespace.get(key))
            if value not in wanted or _is_internal(key):
                continue
            if value not in found or found[value][0] == "__main__":
                found[value] = (module, key)
    return found


def _keys_of(namespace: dict[str, object], wanted: set[int]) -> list[str]:
    """Return the names under which `namespace` has objects that are wanted, in one step of C."""
    values = map(wanted.__contains__, map(id, dict.values(namespace)))
    return [k for k in compress(dict.keys(namespace), values) if type(k) is str]


def _is_internal(key: str) -> bool:
    return key in ("__builtins__", "__dict__", "__loader__", "__spec__")


def named_by_threads(wanted: set[int]) -> dict[int, tuple[str, FrameType, str]]:
    """Return thread, frame and local variable for the objects at `wanted` that have one."""
    found: dict[int, tuple[str, FrameType, str]] = {}
    for ident, frame in list(_current_frames().items()):
        for _ in range(_DEEPEST_STACK):
            if frame is None or frame.f_globals is globals():
                break
            for value in wanted - set(found):
                name = local_name(frame, value)
                if name:
                    found[value] = (_thread_name(ident), frame, name)
            frame = frame.f_back  # type: ignore[assignment]
    return found


def _thread_name(ident: int) -> str:
    threading = sys.modules.get("threading")
    active = _module_dict(threading).get("_active") if type(threading) is MODULE else None
    thread = active.get(ident) if type(active) is dict else None
    try:
        name = object.__getattribute__(thread, "_name") if thread is not None else None
    except AttributeError:
        name = None
    return name if type(name) is str else "%d" % ident
