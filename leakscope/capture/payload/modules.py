"""The target's modules and what they refer to by name.

Read forward, from `sys.modules`: that finds them whether or not gc can see them (a server that
froze its heap before forking hides them from back references).
"""

from __future__ import annotations

import sys
from itertools import compress
from typing import TYPE_CHECKING

from leakscope.capture.payload.classes import inherits

if TYPE_CHECKING:
    from collections.abc import Iterator

MODULE = type(sys)
_NOT_A_HOME = ("__builtins__", "__dict__", "__loader__", "__spec__")
module_namespace = vars(MODULE)["__dict__"].__get__


def loaded_modules() -> Iterator[tuple[str, dict[str, object]]]:
    """Yield name and namespace of each loaded module, in the order of loading."""
    for name, module in list(sys.modules.items()):
        if type(name) is str and inherits(type(module), MODULE):
            namespace = module_namespace(module)
            if type(namespace) is dict and namespace is not globals():
                yield name, namespace


def named_by_modules(wanted: set[int]) -> dict[int, tuple[str, str]]:
    """Return module and global name for the objects at `wanted` that have one.

    Where several modules have it, `__main__` gives way to any other; otherwise the module that
    was loaded first is named.
    """
    found: dict[int, tuple[str, str]] = {}
    for module, namespace in loaded_modules():
        for key in _keys_of(namespace, wanted):
            value = id(namespace.get(key))
            if value not in wanted or key in _NOT_A_HOME:
                continue
            if value not in found or found[value][0] == "__main__":
                found[value] = (module, key)
    return found


def _keys_of(namespace: dict[str, object], wanted: set[int]) -> list[str]:
    """Return the names under which `namespace` has objects that are wanted, in one step of C."""
    values = map(wanted.__contains__, map(id, dict.values(namespace)))
    return [k for k in compress(dict.keys(namespace), values) if type(k) is str]
