"""The few functions of the interpreter that the payload uses, without importing anything.

An import would run the target's finders and hooks and leave modules behind. Only C functions are
taken: where the target has put something else in their place (a library that fakes the clock, say),
a private copy of the built-in module is asked instead.
"""

from __future__ import annotations

import sys

_ALIASES = {"functools": "_functools", "collections": "_collections", "operator": "_operator"}
_NATIVE = frozenset(map(id, (type(len), type(object.__init__), type(str.join), type)))
_COPIES: dict[str, dict[str, object]] = {}


def borrow(module: str, name: str) -> object:
    """Return the C function or type `name` of the built-in `module`.

    Raises KeyError where this interpreter has no such function, ImportError where the module is
    not built in.
    """
    module = _ALIASES.get(module, module)
    loaded = sys.modules.get(module)
    if type(loaded) is type(sys):
        found = vars(loaded).get(name)
        if id(type(found)) in _NATIVE or (module == "sys" and found is not None):
            return found
    if module not in _COPIES:
        _COPIES[module] = _private_copy(module)
    return _COPIES[module][name]


def _private_copy(module: str) -> dict[str, object]:
    """Return the contents of a fresh copy of a built-in module; `sys.modules` stays as it was."""
    imp = sys.modules["_imp"]
    before = sys.modules.get(module)
    copy = imp.create_builtin(type(sys.implementation)(name=module))  # type: ignore[call-arg]
    if copy is None:
        raise ImportError(module)
    imp.exec_builtin(copy)
    if before is None:
        sys.modules.pop(module, None)
    else:
        sys.modules[module] = before
    contents: dict[str, object] = vars(copy)
    return contents
