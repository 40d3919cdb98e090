"""What the qualified name of a type tells: whether it is a building block, or code, or a module.

Builtin types are `builtins.dict` or `dict`, after who took the snapshot.
"""

from __future__ import annotations

_BUILDING_BLOCKS = frozenset(
    {"", "builtins", "array", "collections", "functools", "types", "weakref", "_asyncio"}
)
"""Modules of types that say nothing of what they are used for."""

_CODE = frozenset(
    {"function", "coroutine", "generator", "async_generator", "_asyncio.Task", "asyncio.tasks.Task"}
)


def bare(name: str) -> str:
    """Return the name of a type, builtin ones without their module."""
    return name.removeprefix("builtins.")


def is_plain(name: str) -> bool:
    """Return whether a type is one of the building blocks that say nothing of their meaning."""
    return name.rpartition(".")[0] in _BUILDING_BLOCKS


def is_code(name: str) -> bool:
    """Return whether objects of a type are code to be called or resumed."""
    return bare(name) in _CODE
