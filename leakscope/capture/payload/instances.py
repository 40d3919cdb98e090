"""Reading the attributes of instances without running code of theirs or changing them.

`object.__getattribute__` reads what an instance stores, in slots, in its `__dict__` or inline,
and does not make the `__dict__` of an instance that has none yet. It also asks descriptors, so a
name is only read after making sure that no class gives it a descriptor other than a slot.
"""

from __future__ import annotations

from itertools import chain, islice
from typing import TYPE_CHECKING

from leakscope.capture.payload.classes import (
    FUNCTION,
    class_lookup,
    class_namespace,
    ids_of,
    is_one_of,
    mro_of,
)
from leakscope.capture.payload.passes import heap, settle, times, where

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FunctionType as _Function

    from leakscope.capture.payload.passes import Thing

_SLOT = type(FUNCTION.__globals__)
_INERT = ids_of(
    *(type(None), bool, int, float, complex, str, bytes, list, dict, tuple, set, frozenset),
    *(FUNCTION, type(len), _SLOT),
)
_MENTIONED: set[str] = set()
"""Every name that any function mentions, once it was needed."""
_NAMES = ids_of(tuple, dict)
_WRAPPERS = ids_of(staticmethod, classmethod)


def stored_value(instance: Thing, name: str) -> Thing:
    """Return what `instance` stores as attribute `name`, None if it cannot be told."""
    defined = class_lookup(type(instance), name)
    if defined is not None and not is_one_of(defined, _INERT):
        return None
    try:
        return object.__getattribute__(instance, name)
    except AttributeError:
        return None


def stored_id(instance: Thing, name: str) -> int | None:
    """Return the id of what `instance` stores as attribute `name`, None if it cannot be told."""
    value = stored_value(instance, name)
    return None if value is None else id(value)


def attribute_name(instance: Thing, child: int) -> str | None:
    """Return the name of the attribute of `instance` that refers to the object at `child`."""
    for name in _likely_names(type(instance)):
        if stored_id(instance, name) == child:
            return name
    return None


def is_attribute_dict(instance: Thing, candidate: Thing) -> bool:
    """Return whether `candidate` is the dict in which `instance` stores its attributes."""
    if type(candidate) is not dict:
        return False
    names = [k for k in islice(dict.keys(candidate), 8) if type(k) is str]
    told = [(stored_id(instance, k), id(candidate.get(k))) for k in names]
    known = [(stored, there) for stored, there in told if stored is not None]
    return bool(known) and all(stored == there for stored, there in known)


def _likely_names(cls: type) -> Iterator[str]:
    """Yield names that instances of `cls` may store, each perhaps more than once.

    First what the classes declare, then every name that their functions mention, then every name
    that functions of the same modules mention, then any function's.
    """
    namespaces = [class_namespace(base) for base in mro_of(cls)]
    for namespace in namespaces:
        yield from (k for k, v in list(namespace.items()) if type(v) is _SLOT)
        for declared in ("__static_attributes__", "__annotations__", "__match_args__"):
            found: Thing = namespace.get(declared)
            if is_one_of(found, _NAMES):
                yield from (k for k in list(found) if type(k) is str)
    functions = [f for n in namespaces for v in list(n.values()) for f in _functions_in(v)]
    yield from chain.from_iterable(f.__code__.co_names for f in functions)
    for scope in {id(f.__globals__): f.__globals__ for f in functions}.values():
        yield from _names_mentioned_in(scope)
    yield from _all_names_mentioned()


def _all_names_mentioned() -> set[str]:
    if not _MENTIONED:
        settle()
        functions: list[Thing] = list(
            where(times(heap(), 2), type, id, ids_of(FUNCTION).__contains__)
        )
        _MENTIONED.update(chain.from_iterable([f.__code__.co_names for f in functions]))
    return _MENTIONED


def forget_names() -> None:
    """Let go of the names that were gathered from all functions."""
    _MENTIONED.clear()


def _functions_in(value: Thing) -> Iterator[_Function]:
    """Yield the functions that a value of a class namespace is made of."""
    if type(value) is FUNCTION:
        yield value
    elif is_one_of(value, _WRAPPERS):
        yield from _functions_in(value.__func__)
    elif type(value) is property:
        for part in (value.fget, value.fset):
            yield from _functions_in(part)


def _names_mentioned_in(scope: dict[str, Thing]) -> Iterator[str]:
    if type(scope) is not dict:
        return
    for value in list(scope.values()):
        if type(value) is FUNCTION:
            yield from value.__code__.co_names
        elif type(value) is type:
            for member in list(class_namespace(value).values()):
                for function in _functions_in(member):
                    yield from function.__code__.co_names
