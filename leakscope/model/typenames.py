"""What the qualified name of a type tells, and which of several objects speaks for them all.

Builtin types are `builtins.dict` or `dict`, after who took the measurement.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence

_BUILDING_BLOCKS = frozenset(
    {"", "builtins", "array", "collections", "functools", "types", "weakref", "_asyncio"}
)
"""Modules of types that say nothing of what they are used for."""

_CODE = frozenset(
    {"function", "coroutine", "generator", "async_generator", "_asyncio.Task", "asyncio.tasks.Task"}
)
_STANDARD = frozenset(name.lstrip("_") for name in sys.stdlib_module_names) - {"main__"}

_CAPTURED = 0.8
"""Share of its owner's bytes from which an object of another package is what the owner captured."""
_WRAPPED = 0.95
"""The same for an object of the owner's own package: below, it is one of the owner's parts."""
_TELLING = 0.2
"""Share of an entry's bytes from which a named type says more of it than a heavier plain one."""

_CACHE = "functools._lru_cache_wrapper"
_LOOPS = re.compile(r"(selectors|uvloop|asyncio\.(\w*events|runners))\.")


def bare(name: str) -> str:
    """Return the name of a type, builtin ones without their module."""
    return name.removeprefix("builtins.")


def is_plain(name: str) -> bool:
    """Return whether a type is one of the building blocks that say nothing of their meaning."""
    return name.rpartition(".")[0] in _BUILDING_BLOCKS


def is_code(name: str) -> bool:
    """Return whether objects of a type are code to be called or resumed."""
    return bare(name) in _CODE


def is_plumbing(name: str) -> bool:
    """Return whether objects of a type are part of an event loop, or a function's cache.

    Much hangs on them for a while that belongs to somebody else.
    """
    return name == _CACHE or _LOOPS.match(name) is not None


def package_of(name: str) -> str:
    """Return the top package of a type's module, without underscores: `io` for `_io.FileIO`."""
    return name.partition(".")[0].lstrip("_")


def is_standard(name: str) -> bool:
    """Return whether a type belongs to the language or its standard library."""
    return is_plain(name) or package_of(name) in _STANDARD


def telling(names: Sequence[str], sizes: Sequence[float]) -> int:
    """Return which object of an entry (a dict's value, its key) says what the entry is.

    `sizes` are what each retains. The heaviest of those whose type has a meaning, if it accounts
    for a fair share of the entry, else the heaviest; ties go to the first.
    """
    total = sum(sizes)
    named = [
        at for at, name in enumerate(names) if not is_plain(name) and sizes[at] >= _TELLING * total
    ]
    return max(named or range(len(names)), key=lambda at: (sizes[at], -at))


def leading(names: Sequence[str], sizes: Sequence[float]) -> int:
    """Return which object of a line, each held by the one before, an engineer would name.

    `sizes` are what each retains, falling. Code that is suspended or waits to be called comes
    first. Else it is the first object whose type has a meaning, or one further down that it
    captured: one of another package, or almost all that it consists of. Without any it is the
    first. An object's own parts never speak for it: a connection is named, not its lock.
    """
    code = [at for at, name in enumerate(names) if is_code(name)]
    if code:
        return code[0]
    chosen: int | None = None
    for at, name in enumerate(names):
        if is_plain(name):
            continue
        if chosen is None or _is_captured(names[chosen], name, sizes[at], sizes[chosen]):
            chosen = at
        else:
            break
    return chosen or 0


def _is_captured(owner: str, name: str, size: float, owner_size: float) -> bool:
    if name == owner or is_standard(name):
        return False
    own_part = package_of(name) == package_of(owner)
    return size >= (_WRAPPED if own_part else _CAPTURED) * owner_size
